/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "jail/probe/probe.h"

#include "engine/base/json.h"
#include "engine/base/strv.h"

#include <stdarg.h>
#include <string.h>

JailFinding *finding_add(Probe *probe, JailFindingKind kind, const char *name, JailHeld held)
{
        JailProbe *result = probe->result;
        JailFinding *more = reallocarray(result->findings, result->n_findings + 1, sizeof *more);

        if (!more) {
                probe->failed = true;
                return NULL;
        }
        result->findings = more;
        more += result->n_findings++;
        *more = (JailFinding){.kind = kind, .name = name, .held = held};
        return more;
}

JailFinding *finding_of_layer(Probe *probe, JailLayer layer)
{
        const char *name = jail_layer_name(layer);

        for (size_t i = 0; i < probe->result->n_findings; i++)
                if (strcmp(probe->result->findings[i].name, name) == 0)
                        return &probe->result->findings[i];
        return NULL;
}

static void set_text(Probe *probe, char **text, const char *format, va_list arguments)
{
        free(*text);
        if (vasprintf(text, format, arguments) < 0) {
                *text = NULL;
                probe->failed = true;
        }
}

void finding_by(Probe *probe, JailFinding *f, const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        if (f)
                set_text(probe, &f->by, format, arguments);
        va_end(arguments);
}

void finding_held(Probe *probe, JailFinding *f, const char *by)
{
        if (!f)
                return;
        f->held = JAIL_HELD_FULLY;
        free(take(f->why));
        f->remedy = strv_free(f->remedy);
        finding_by(probe, f, "%s", by);
}

void finding_why(Probe *probe, JailFinding *f, const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        if (f)
                set_text(probe, &f->why, format, arguments);
        va_end(arguments);
}

void finding_remedy(Probe *probe, JailFinding *f, const char *format, ...)
{
        _cleanup_free_ char *line = NULL;
        va_list arguments;

        va_start(arguments, format);
        set_text(probe, &line, format, arguments);
        va_end(arguments);
        if (f && line && !strv_contains(f->remedy, line) && strv_add(&f->remedy, line) < 0)
                probe->failed = true;
}

void finding_like(Probe *probe, JailFinding *f, const JailFinding *other)
{
        if (!f || !other || !other->why)
                return;
        finding_why(probe, f, "%s", other->why);
        f->remedy = strv_free(f->remedy);
        if (strv_copy(other->remedy, &f->remedy) < 0)
                probe->failed = true;
}

void jail_probe_done(JailProbe *probe)
{
        for (size_t i = 0; i < probe->n_findings; i++) {
                free(probe->findings[i].by);
                free(probe->findings[i].why);
                strv_free(probe->findings[i].remedy);
        }
        free(probe->findings);
        *probe = (JailProbe){.n_findings = 0};
}

static json_object *finding_to_json(const JailFinding *f)
{
        static const char *const words[] = {[JAIL_HELD_NOT] = "no", [JAIL_HELD_PARTLY] = "partly", [JAIL_HELD_FULLY] = "yes"};
        json_object *object = json_object_new_object(), *remedy = json_object_new_array();

        json_add_string(object, "held", words[f->held]);
        json_add_string(object, "by", f->by);
        json_add_string(object, "why", f->why);
        for (size_t i = 0; f->remedy && f->remedy[i]; i++)
                json_object_array_add(remedy, json_object_new_string(f->remedy[i]));
        json_object_object_add(object, "remedy", remedy);
        return object;
}

json_object *jail_probe_to_json(const JailProbe *probe)
{
        static const char *const kinds[] = {
                [JAIL_FINDING_HOST] = "host", [JAIL_FINDING_LAYER] = "layers", [JAIL_FINDING_FEATURE] = "features"};
        json_object *object = json_object_new_object(), *missing = json_object_new_array();

        json_add_bool(object, "possible", probe->possible);
        for (JailLayer layer = 0; layer < JAIL_LAYER_MAX; layer++)
                if (probe->missing & (1U << layer))
                        json_object_array_add(missing, json_object_new_string(jail_layer_name(layer)));
        json_object_object_add(object, "missing", missing);
        for (size_t kind = 0; kind < ELEMENTS(kinds); kind++) {
                json_object *group = json_object_new_object();
                for (size_t i = 0; i < probe->n_findings; i++)
                        if (probe->findings[i].kind == kind)
                                json_object_object_add(group, probe->findings[i].name,
                                                       finding_to_json(&probe->findings[i]));
                json_object_object_add(object, kinds[kind], group);
        }
        return object;
}
