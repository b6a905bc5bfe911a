/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The archive of an image is whatever somebody on the internet made it. So skep-image-unpack reads it, in a jail of the
 * policy "image" that has nothing but the archive and the tree that becomes the image; out here, its words are parsed
 * as anybody's, and the tree is walked before it gets a name. */

#include "jail/cli/image_import.h"

#include "engine/base/clock.h"
#include "engine/base/fd.h"
#include "engine/base/json.h"
#include "engine/base/name.h"
#include "engine/base/places.h"
#include "engine/base/strv.h"
#include "jail/cli/image_watch.h"
#include "jail/cli/tree_use.h"
#include "jail/image.h"
#include "jail/launcher.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#define CHUNK ((size_t)256 << 10)
#define SENTENCE_MAX 1024
/* What a tree may have where nothing else is said. Images are a few times as large as they travel, and a file takes
 * some tens of bytes of an archive at the least. */
#define DISK_LEAST (UINT64_C(64) << 20)
#define DISK_TIMES 32
#define DISK_MOST (UINT64_C(8) << 30)
#define FILES_LEAST 10000
#define FILE_OF_BYTES 32
#define FILES_MOST 500000

/* What the unpacking program writes: as much as is looked at. */
typedef struct Words {
        char *text; /* owned */
        size_t size, max;
} Words;

typedef struct Unpacking {
        const ImageImport *import;
        Jail *jail; /* NULL once it has ended */
        Words result, sentence;
        bool interrupted;
        ImageWatch watch;
        Error exceeded; /* more than it may; or it cannot be watched */
        int verdict;
        Error *error;
} Unpacking;

/* ---- what comes of the jail ---- */

static int words_add(Words *w, const void *data, size_t size)
{
        size_t taken = size < w->max - w->size ? size : w->max - w->size;
        char *more = realloc(w->text, w->size + taken + 1);

        if (!more)
                return -ENOMEM;
        w->text = more;
        memcpy(w->text + w->size, data, taken);
        w->size += taken;
        w->text[w->size] = '\0';
        return 0;
}

static void on_output(Jail *jail, int stream, const void *data, size_t size, void *userdata)
{
        Unpacking *u = userdata;

        if (words_add(stream == 1 ? &u->result : &u->sentence, data, size) < 0)
                jail_cancel(jail);
}

static int judge(const Unpacking *u, const JailReport *report)
{
        const char *archive = u->import->archive;

        if (report->reason == JAIL_EXITED && report->exit_code == 0)
                return 0;
        if (u->interrupted)
                return error_set(u->error, -EINTR, "interrupted: nothing was imported");
        if (u->exceeded.code < 0)
                return error_set(u->error, u->exceeded.code, "%s: %s", archive, error_text(&u->exceeded));
        if (report->reason == JAIL_OOM)
                return error_set(u->error, -ENOMEM, "%s: needs more memory than the policy \"image\" gives", archive);
        if (report->reason == JAIL_WALL_LIMIT)
                return error_set(u->error, -ETIME, "%s: takes longer than the policy \"image\" lets it", archive);
        if (report->message)
                return error_set(u->error, -EINVAL, "%s: %s", archive, report->message);
        if (u->sentence.size > 0) {
                u->sentence.text[strcspn(u->sentence.text, "\n")] = '\0';
                _cleanup_free_ char *escaped = text_escape(u->sentence.text, SENTENCE_MAX);
                return error_set(u->error, -EINVAL, "%s: %s", archive, escaped ? escaped : "");
        }
        return error_set(u->error, -EINVAL, "%s: unpacking it ended with %s %d", archive,
                         report->signal ? "signal" : "status", report->signal ? report->signal : report->exit_code);
}

static void on_ended(Jail *jail _unused_, const JailReport *report, void *userdata)
{
        Unpacking *u = userdata;

        u->jail = NULL;
        u->verdict = judge(u, report);
}

static const JailEvents events = {.output = on_output, .ended = on_ended};

static int wait_for_end(Unpacking *u, JailLauncher *launcher)
{
        _cleanup_close_ int signal_fd = open_end_signals();

        while (u->jail) {
                struct signalfd_siginfo info;
                struct pollfd fds[] = {{.fd = jail_launcher_fd(launcher), .events = POLLIN},
                                       {.fd = signal_fd, .events = POLLIN}};
                if (poll(fds, ELEMENTS(fds), u->exceeded.code < 0 ? -1 : IMAGE_WATCH_MSEC) < 0 && errno != EINTR)
                        return error_errno(u->error, -errno, "poll");
                if (fds[1].revents && read(signal_fd, &info, sizeof info) > 0) {
                        u->interrupted = true;
                        jail_cancel(u->jail);
                }
                if (fds[0].revents) {
                        int r = jail_launcher_dispatch(launcher, u->error);
                        if (r < 0)
                                return r;
                }
                if (u->jail && u->exceeded.code >= 0 && image_watch_look(&u->watch, &u->exceeded) < 0)
                        jail_cancel(u->jail);
        }
        return u->verdict;
}

/* ---- the jail ---- */

static int load_policy(JailPolicy **ret, Error *e)
{
        _cleanup_strv_ char **directories = place_policies(e);

        return directories ? jail_policy_load("image", directories, ret, e) : -ENOMEM;
}

static int run(Unpacking *u, int archive, bool is_directory, int root)
{
        const ImageImport *import = u->import;
        _cleanup_policy_ JailPolicy *policy = NULL;
        _cleanup_launcher_ JailLauncher *launcher = NULL;
        _cleanup_strv_ char **command = NULL;
        _cleanup_free_ char *path = place_program("skep-image-unpack", u->error);
        int r = path ? load_policy(&policy, u->error) : -ENOMEM;

        if (r < 0)
                return r;
        _cleanup_close_ int program = open(path, O_PATH | O_CLOEXEC);
        if (program < 0)
                return error_errno(u->error, -errno, "%s", path);
        if (strv_add(&command, "/skep-image-unpack") < 0 || strv_addf(&command, "%" PRIu64, import->disk_bytes) < 0 ||
            strv_addf(&command, "%" PRIu64, import->files) < 0 || (import->tag && strv_add(&command, import->tag) < 0))
                return error_oom(u->error);
        const JailBind binds[] = {
                {.fd = program, .inside = "/skep-image-unpack"},
                {.fd = root, .inside = "/image", .writable = true},
                {.fd = archive, .inside = "/archive"},
        };
        const JailSpec spec = {
                .policy = policy,
                .limits = jail_limits_none,
                .command = command,
                .working_directory = "/",
                .stdin_fd = is_directory ? -1 : archive,
                .binds = binds,
                .n_binds = is_directory ? 3 : 2,
                .allow_missing = import->allow_missing,
        };
        image_watch_begin(program, root, archive, import->disk_bytes, import->files, &u->watch);
        if ((r = jail_launcher_new(&(JailLauncherOptions){.here = &launcher_here}, &launcher, u->error)) < 0 ||
            (r = jail_start(launcher, &spec, &events, u, &u->jail, u->error)) < 0)
                return r;
        r = wait_for_end(u, launcher);
        image_watch_done(&u->watch);
        error_clear(&u->exceeded);
        return r;
}

static int read_result(const Words *words, ImageConfig *ret, Error *e)
{
        _cleanup_json_ json_object *object = NULL;
        int r = json_parse_text(words->text ? words->text : "", words->size, &object, e);

        if (r >= 0)
                r = image_config_from_json(object, ret, e);
        return r < 0 ? (error_prefix(e, "what the unpacking program said"), r) : 0;
}

/* ---- the archive ---- */

/* Copies what can be read only once into a file that has no name. Returns its descriptor. */
static int copy_archive(int from, int directory, uint64_t max_bytes, Error *e)
{
        _cleanup_close_ int to = open_beneath(directory, "archive", O_WRONLY | O_CREAT | O_EXCL, 0600);
        _cleanup_free_ char *buffer = malloc(CHUNK);
        ssize_t n = 1;

        if (!buffer)
                return error_oom(e);
        if (to < 0)
                return error_errno(e, to, "writing to the images");
        _cleanup_close_ int copy = open_beneath(directory, "archive", O_RDONLY, 0);
        if (copy < 0 || unlinkat(directory, "archive", 0) < 0)
                return error_errno(e, -errno, "writing to the images");
        for (uint64_t size = 0; n > 0;) {
                n = read_full(from, buffer, CHUNK);
                int r = n < 0 ? (int)n : write_full(to, buffer, (size_t)n);
                if (r < 0)
                        return error_errno(e, r, "copying the archive");
                if ((size += (size_t)n) > max_bytes)
                        return error_set(e, -E2BIG, "the archive is larger than the image may be: see --disk");
        }
        return take_fd(copy);
}

/* What the jail may have: a directory, or a plain file that is open for reading alone. */
static int open_archive(const ImageImport *import, int directory, bool *ret_is_directory, Error *e)
{
        bool standard = strcmp(import->archive, "-") == 0;
        _cleanup_close_ int fd = standard ? fcntl(0, F_DUPFD_CLOEXEC, 3)
                                          : open(import->archive, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return error_errno(e, -errno, "%s", import->archive);
        *ret_is_directory = S_ISDIR(st.st_mode);
        if (S_ISDIR(st.st_mode) || (S_ISREG(st.st_mode) && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY))
                return take_fd(fd);
        return copy_archive(fd, directory, import->disk_bytes ? import->disk_bytes : DISK_MOST, e);
}

/* Fills in what the import may have. */
static int set_ceilings(ImageImport *import, int archive, Error *e)
{
        TreeUse size = {0};
        struct stat st;
        int r = 0;

        if (fstat(archive, &st) < 0)
                return error_errno(e, -errno, "%s", import->archive);
        if (S_ISDIR(st.st_mode))
                r = tree_use(archive, FILES_MOST, &size, e);
        else
                size.bytes = (uint64_t)st.st_size;
        if (r < 0)
                return error_prefix(e, "%s", import->archive), r;
        if (!import->disk_bytes)
                import->disk_bytes = size.bytes < (DISK_MOST - DISK_LEAST) / DISK_TIMES
                                             ? DISK_LEAST + size.bytes * DISK_TIMES
                                             : DISK_MOST;
        if (!import->files)
                import->files = size.bytes < (FILES_MOST - FILES_LEAST) * FILE_OF_BYTES
                                        ? FILES_LEAST + size.bytes / FILE_OF_BYTES
                                        : FILES_MOST;
        return 0;
}

/* ---- the import ---- */

static int set_time(ImageConfig *config)
{
        char text[32];
        time_t now = time(NULL);
        struct tm parts;

        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &parts));
        free(config->imported);
        config->imported = strdup(text);
        return config->imported ? 0 : -ENOMEM;
}

int image_import(const ImageImport *asked, ImageConfig *ret, Error *e)
{
        _cleanup_image_draft_ ImageDraft draft = IMAGE_DRAFT_NULL;
        ImageImport import = *asked;
        Unpacking u = {
                .import = &import,
                .result.max = IMAGE_CONFIG_TEXT_MAX,
                .sentence.max = SENTENCE_MAX,
                .error = e,
        };
        bool is_directory = false;

        *ret = (ImageConfig){0};
        int r = image_draft_new(import.name, import.replace, &draft, e);
        if (r < 0)
                return r;
        _cleanup_close_ int archive = open_archive(&import, draft.directory, &is_directory, e);
        if (archive < 0 || (r = set_ceilings(&import, archive, e)) < 0)
                return archive < 0 ? archive : r;
        r = run(&u, archive, is_directory, draft.root);
        if (r >= 0)
                r = read_result(&u.result, ret, e);
        free(u.result.text);
        free(u.sentence.text);
        if (r < 0 ||
            (r = image_measure(draft.root, import.disk_bytes, import.files, &ret->bytes, &ret->files, e)) < 0)
                return r;
        if (set_time(ret) < 0)
                return error_oom(e);
        return image_draft_commit(&draft, ret, e);
}
