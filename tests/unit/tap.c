/* tests/unit/tap.c: linked into every unit test, so that it speaks TAP (which tests/run.py counts)
 * whatever becomes of its environment.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

__attribute__((constructor)) static void speak_tap(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
}
