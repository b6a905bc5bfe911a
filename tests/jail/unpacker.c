/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What skep-image-unpack may become when an archive has taken it over: in its place, with its policy, it does its worst
 * to the disk behind /image. What, the archive says, by its first word. It ends by itself only where it is refused. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK (1 << 20)
#define LINKS_OF_A_FILE 60000 /* ext4 has a few more */

static int image = -1;
static char chunk[CHUNK];

static int give_up(const char *what)
{
        fprintf(stderr, "%s: %s\n", what, strerror(errno));
        return 1;
}

static int fill(int fd)
{
        while (write(fd, chunk, sizeof chunk) >= 0)
                ;
        return give_up("write");
}

static int many_bytes(void)
{
        return fill(openat(image, "file", O_WRONLY | O_CREAT, 0600));
}

static int nameless_bytes(void)
{
        int fd = openat(image, "file", O_WRONLY | O_CREAT, 0600);

        unlinkat(image, "file", 0);
        return fill(fd);
}

/* Without a write(). */
static int mapped_bytes(void)
{
        int fd = openat(image, "file", O_RDWR | O_CREAT, 0600);

        if (ftruncate(fd, 1L << 40) < 0)
                return give_up("ftruncate");
        char *p = mmap(NULL, 1L << 40, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (p == MAP_FAILED)
                return give_up("mmap");
        for (size_t i = 0; i < 1UL << 40; i += 4096)
                p[i] = 1;
        return 0;
}

static int many_files(void)
{
        char name[32];

        for (unsigned long i = 0;; i++) {
                snprintf(name, sizeof name, "%lu", i);
                int fd = openat(image, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
                if (fd < 0)
                        return give_up("open");
                close(fd);
        }
}

/* No inodes, and no bytes: the names of a few files fill directories. */
static int many_names(void)
{
        char name[256], file[32];

        for (unsigned long i = 0;; i++) {
                snprintf(file, sizeof file, "%lu", i / LINKS_OF_A_FILE);
                if (i % LINKS_OF_A_FILE == 0)
                        close(openat(image, file, O_WRONLY | O_CREAT | O_EXCL, 0600));
                snprintf(name, sizeof name, "%0240lu", i);
                if (linkat(image, file, image, name, 0) < 0)
                        return give_up("link");
        }
}

static int long_links(void)
{
        char name[32];

        memset(chunk, 'x', 4000);
        chunk[4000] = '\0';
        for (unsigned long i = 0;; i++) {
                snprintf(name, sizeof name, "%lu", i);
                if (symlinkat(chunk, image, name) < 0)
                        return give_up("symlink");
        }
}

static int deep_directories(void)
{
        for (int fd = image;;) {
                if (mkdirat(fd, "d", 0700) < 0)
                        return give_up("mkdir");
                int next = openat(fd, "d", O_RDONLY | O_DIRECTORY);
                if (fd != image)
                        close(fd);
                fd = next;
        }
}

/* For who is no root. */
static int closed_directories(void)
{
        for (int fd = image;;) {
                char name[32];
                mkdirat(fd, "d", 0700);
                fd = openat(fd, "d", O_RDONLY | O_DIRECTORY);
                fchmod(fd, 0300);
                for (unsigned long i = 0;; i++) {
                        snprintf(name, sizeof name, "%lu", i);
                        if (mkdirat(fd, name, 0) < 0)
                                return give_up("mkdir");
                }
        }
}

int main(void)
{
        static const struct {
                const char *name;
                int (*run)(void);
        } attacks[] = {
                {"bytes", many_bytes},   {"nameless", nameless_bytes}, {"mapped", mapped_bytes},
                {"files", many_files},   {"names", many_names},        {"links", long_links},
                {"deep", deep_directories}, {"closed", closed_directories},
        };
        char word[16] = "";

        image = open("/image", O_RDONLY | O_DIRECTORY);
        if (read(0, word, sizeof word - 1) < 0 || image < 0)
                return give_up("the archive");
        word[strcspn(word, "\n")] = '\0';
        for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++)
                if (strcmp(attacks[i].name, word) == 0)
                        return attacks[i].run();
        fprintf(stderr, "%s: there is no such attack\n", word);
        return 2;
}
