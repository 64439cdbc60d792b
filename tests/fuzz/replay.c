/* tests/fuzz/replay.c: runs one fuzz target over every file of a folder (argv[1]), so that the
 * committed corpus is a test of each run. A target that fails aborts, and its last input is named.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return -1;

    /* Exactly as large as the input, so that ASan sees a read past its end. */
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    uint8_t *data = malloc(size > 0 ? (size_t)size : 1);
    size_t got = data != NULL && size > 0 ? fread(data, 1, (size_t)size, file) : 0;
    fclose(file);

    if (data != NULL)
        LLVMFuzzerTestOneInput(data, got);
    free(data);
    return 0;
}

int main(int argc, char **argv)
{
    struct dirent **entries;
    int count = argc == 2 ? scandir(argv[1], &entries, NULL, alphasort) : -1;
    int played = 0;

    for (int i = 0; i < count; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", argv[1], entries[i]->d_name);
        if (entries[i]->d_type == DT_REG) {
            fprintf(stderr, "replaying %s\n", path);
            played += replay(path) == 0;
        }
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return played > 0 ? 0 : 1;      /* an empty corpus tests nothing */
}
