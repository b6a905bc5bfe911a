/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/base/places.h"

#include "engine/base/strv.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>

#ifndef SKEP_PREFIX
#define SKEP_PREFIX "/usr"
#endif

/* Programs that people start are in bin, those that only programs start in libexec. */
static const char *const own_programs[] = {"skep-jail", "skepctl", "skepd"};

/* The folder of the running program when it is a build tree's; NULL when it is installed. */
static char *tree_build_folder(void)
{
        char path[PATH_MAX];
        ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
        _cleanup_free_ char *mark = NULL;

        if (n <= 0)
                return NULL;
        path[n] = '\0';
        char *slash = strrchr(path, '/');
        if (!slash)
                return NULL;
        *slash = '\0';
        if (asprintf(&mark, "%s/../policies/strict.json", path) < 0) {
                mark = NULL;
                return NULL;
        }
        return access(mark, R_OK) == 0 ? strdup(path) : NULL;
}

char *place_program(const char *name, Error *e)
{
        _cleanup_free_ char *tree = tree_build_folder();
        const char *folder = SKEP_PREFIX "/libexec/skep";
        char *path = NULL;

        for (size_t i = 0; i < ELEMENTS(own_programs); i++)
                if (strcmp(own_programs[i], name) == 0)
                        folder = SKEP_PREFIX "/bin";
        if (asprintf(&path, "%s/%s", tree ? tree : folder, name) < 0) {
                error_oom(e);
                return NULL;
        }
        return path;
}

char *place_cache(Error *e)
{
        _cleanup_free_ char *tree = tree_build_folder();
        const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
        char *path = NULL;
        int r;

        if (geteuid() == 0)
                r = tree ? asprintf(&path, "%s/cache", tree) : asprintf(&path, "/var/cache/skep");
        else if (base && base[0] == '/')
                r = asprintf(&path, "%s/skep", base);
        else
                r = asprintf(&path, "%s/.cache/skep", home && home[0] == '/' ? home : "/nowhere");
        if (r < 0) {
                error_oom(e);
                return NULL;
        }
        return path;
}

char **place_policies(Error *e)
{
        _cleanup_free_ char *tree = tree_build_folder();
        _cleanup_strv_ char **list = NULL;
        int r = tree ? strv_addf(&list, "%s/../policies", tree) : strv_add(&list, "/etc/skep/policies");

        if (r >= 0 && !tree)
                r = strv_add(&list, SKEP_PREFIX "/share/skep/policies");
        if (r < 0) {
                error_oom(e);
                return NULL;
        }
        return take(list);
}

char **place_configuration(Error *e)
{
        _cleanup_free_ char *tree = tree_build_folder();
        _cleanup_strv_ char **list = NULL;
        int r = 0;

        if (!tree)
                r = strv_add(&list, SKEP_PREFIX "/share/skep/skepd.json");
        if (r >= 0)
                r = tree ? strv_addf(&list, "%s/../skepd.json", tree) : strv_add(&list, "/etc/skep/skepd.json");
        if (r >= 0)
                r = tree ? strv_addf(&list, "%s/../skepd.json.d", tree) : strv_add(&list, "/etc/skep/skepd.json.d");
        if (r < 0) {
                error_oom(e);
                return NULL;
        }
        return take(list);
}

char *place_images(Error *e)
{
        const char *chosen = getenv("SKEP_IMAGES"), *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
        char *path = NULL;
        int r;

        if (chosen && *chosen)
                r = asprintf(&path, "%s", chosen);
        else if (geteuid() == 0)
                r = asprintf(&path, "/var/lib/skep/images");
        else if (data && data[0] == '/') /* others are to be ignored, says the XDG base directory specification */
                r = asprintf(&path, "%s/skep/images", data);
        else if (home && home[0] == '/')
                r = asprintf(&path, "%s/.local/share/skep/images", home);
        else
                return error_set(e, -ENOENT, "where are the images? Set HOME, or SKEP_IMAGES to their directory"), NULL;
        if (r < 0)
                return error_oom(e), NULL;
        return path;
}
