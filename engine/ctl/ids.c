/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/ctl/ids.h"

#include "engine/base/strv.h"

#include <string.h>

int id_list_add(IdList *list, const char *id, Error *e)
{
        if (list->n + 1 >= list->room) {
                size_t room = list->room ? 2 * list->room : 64;
                char **larger = reallocarray(list->ids, room, sizeof *larger);
                if (!larger)
                        return error_oom(e);
                list->ids = larger;
                list->room = room;
        }
        list->ids[list->n] = strdup(id);
        if (!list->ids[list->n])
                return error_oom(e);
        list->ids[++list->n] = NULL;
        return 0;
}

static int read_lines(IdList *list, Error *e)
{
        _cleanup_free_ char *line = NULL;
        size_t room = 0;
        int r = 0;

        while (r >= 0 && getline(&line, &room, stdin) >= 0) {
                /* The first word, wherever it stands: some programs align what they print. */
                char *id = line + strspn(line, " \t\r\n");
                id[strcspn(id, " \t\r\n")] = '\0';
                if (*id)
                        r = id_list_add(list, id, e);
        }
        if (r >= 0 && ferror(stdin))
                return error_errno(e, -errno, "standard input");
        return r;
}

int ids_read(int argc, char **argv, char ***ret, Error *e)
{
        IdList list = {0};
        int r = 0;

        for (int i = 1; r >= 0 && i < argc; i++) {
                if (argv[i][0] == '-' && argv[i][1])
                        r = error_set(e, -EINVAL, "%s: skepctl %s has no such option; see skepctl --help", argv[i],
                                      argv[0]);
                else if (!argv[i][0])
                        r = error_set(e, -EINVAL, "an id is empty");
                else
                        r = strcmp(argv[i], "-") == 0 ? read_lines(&list, e) : id_list_add(&list, argv[i], e);
        }
        if (r >= 0 && argc < 2)
                r = error_set(e, -EINVAL, "which job? skepctl %s ID... (skepctl list shows them)", argv[0]);
        if (r < 0) {
                strv_free(list.ids);
                return r;
        }
        *ret = list.ids;
        return 0;
}
