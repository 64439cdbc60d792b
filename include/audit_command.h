/* audit_command.h: the commands that read the audit straight from the store: they need no running server, disturb none,
 * and need its secret. Page by page, so their memory does not grow with the audit. Each returns the exit status.
 */
#ifndef AUDIT_COMMAND_H
#define AUDIT_COMMAND_H

/* Checks every row, link and head; names what was edited, deleted, reordered or cut off. 1 when there is such. */
int audit_verify(void);
/* One line a row, oldest first. format: "ecs" (JSON, Elastic Common Schema) or "cef". since: RFC 3339, NULL: all. */
int audit_export(const char *format, const char *since);

#endif
