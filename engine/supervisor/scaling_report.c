/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What there is to say of the scaler, for people and their programs: docs/org.skep.Engine1.md. */

#include "engine/base/clock.h"
#include "engine/base/json.h"
#include "engine/supervisor/scaling.h"

#include <string.h>

#define BANDS_MAX 8
#define AHEAD_SEC 600 /* of what is said of accuracy */

static void add_band(json_object *to, const ScalerBand *band)
{
        json_add_real(to, "p50", band->p50);
        json_add_real(to, "p90", band->p90);
        json_add_real(to, "p99", band->p99);
}

static json_object *forecast_json(const Scaling *s)
{
        json_object *list = json_object_new_array();
        ScalerBand bands[BANDS_MAX];
        size_t n = scaling_bands(s, UINT32_MAX, bands, BANDS_MAX);

        for (size_t i = 0; i < n; i++) {
                json_object *object = json_object_new_object();
                json_add_number(object, "time_usec",
                                scaling_now_usec(s) + (uint64_t)(bands[i].later_sec * (double)USEC_PER_SECOND));
                add_band(object, &bands[i]);
                json_object_array_add(list, object);
        }
        return list;
}

static json_object *accuracy_json(const Scaling *s, int hours)
{
        json_object *object = json_object_new_object();
        ScalerAccuracy a;

        if (scaler_accuracy(scaling_scaler(s), AHEAD_SEC, hours, &a) < 0) {
                json_object_put(object);
                return NULL;
        }
        json_add_real(object, "forecasts", a.forecasts);
        json_add_real(object, "at_or_below_p50", a.below50);
        json_add_real(object, "at_or_below_p90", a.below90);
        json_add_real(object, "at_or_below_p99", a.below99);
        json_add_real(object, "mean_error", a.error);
        json_add_real(object, "mean_error_if_it_stayed", a.error_persistence);
        json_add_real(object, "mean_load", a.load);
        return object;
}

static json_object *decisions_json(const Scaling *s, uint64_t from_usec)
{
        json_object *list = json_object_new_array();
        const ScalingDecision *d;

        for (size_t i = 0; scaling_decision(s, i, &d) && d->time_usec >= from_usec; i++) {
                json_object *object = json_object_new_object();
                json_add_number(object, "time_usec", d->time_usec);
                json_add_number(object, "workers", d->workers);
                json_add_number(object, "target", d->target);
                json_add_real(object, "load", d->load);
                json_add_real(object, "later_sec", d->band.later_sec);
                add_band(object, &d->band);
                json_add_string(object, "leader", d->leader);
                json_add_string(object, "bound", d->bound);
                json_add_string(object, "sentence", d->sentence);
                json_object_array_add(list, object);
        }
        return list;
}

static json_object *policies_json(const Scaling *s)
{
        static const struct {
                const char *key;
                int minutes;
        } spans[] = {{"warm", BURSTS_AHEAD}, {"within_5_minutes", 5}, {"within_10_minutes", 10}, {"within_15_minutes", 15}};
        json_object *list = json_object_new_array();
        const Bursts *bursts = scaling_bursts(s);

        for (size_t i = 0; i < bursts->n; i++) {
                const PolicyBursts *p = bursts->policies[i];
                json_object *object = json_object_new_object();
                RecurrenceClock clock = RECURS_NOT;
                json_add_string(object, "policy", p->name);
                json_add_number(object, "jobs_in_hour", bursts_in_hour(p));
                for (size_t k = 0; k < ELEMENTS(spans); k++) {
                        uint64_t n = bursts_expect(bursts, p, spans[k].minutes, &clock);
                        json_add_number(object, spans[k].key, k > 0 || scaling_keeps_warm(s) ? n : 0);
                }
                json_add_string(object, "recurs", recurrence_clock_name(clock));
                json_object_array_add(list, object);
        }
        return list;
}

char *scaling_report(const Scaling *s, uint64_t minutes)
{
        _cleanup_json_ json_object *report = json_object_new_object();
        json_object *accuracy = json_object_new_object();
        uint64_t now = realtime_usec(), span = minutes * 60 * USEC_PER_SECOND;
        ScalerRecord record = scaler_record(scaling_scaler(s));

        json_add_string(report, "mode", scaler_mode_name(scaling_mode(s)));
        json_object_object_add(report, "forecast", forecast_json(s));
        json_object_object_add(accuracy, "day", accuracy_json(s, 24));
        json_object_object_add(accuracy, "week", accuracy_json(s, 168));
        json_object_object_add(report, "accuracy", accuracy);
        json_add_real(report, "short_share", record.short_share);
        json_add_real(report, "mean_workers", record.mean_workers);
        json_add_real(report, "reactive_short_share", record.reactive_short_share);
        json_add_real(report, "reactive_mean_workers", record.reactive_mean_workers);
        json_object_object_add(report, "policies", policies_json(s));
        json_object_object_add(report, "decisions", decisions_json(s, span < now ? now - span : 0));
        const char *text = json_object_to_json_string_ext(report, JSON_C_TO_STRING_PLAIN);
        return text ? strdup(text) : NULL;
}
