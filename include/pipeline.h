/* pipeline.h: the path of every request: one table, in src/pipeline.c. */
#ifndef PIPELINE_H
#define PIPELINE_H

#include "http/req.h"

/* Walks from the first stage / from where its wait was woken. r may be gone when they return. */
void pipeline_start(struct req *r);
void pipeline_resume(struct req *r);
/* Its client is gone: it ends where it stands. */
void pipeline_left(struct req *r);
/* Bytes that a body of the matched action may have. */
size_t pipeline_body_max(const struct req *r);
/* Names of the stages, for the metrics. */
int pipeline_stages(void);
const char *pipeline_stage(int index);

#endif
