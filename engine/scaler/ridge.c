/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/scaler/ridge.h"

#include <math.h>

/* Rows are not faded; newer ones count more instead, which is the same and touches nothing old. Before the numbers grow
 * out of what a double holds exactly, all are scaled down. */
#define WORTH_MAX 1e6

void ridge_init(Ridge *ridge, size_t n, double half_life, double penalty)
{
        *ridge = (Ridge){.n = n, .growth = pow(2, 1 / half_life), .worth = 1, .penalty = penalty};
}

static void scale_down(Ridge *ridge)
{
        for (size_t i = 0; i < ridge->n * (ridge->n + 1) / 2; i++)
                ridge->gram[i] /= ridge->worth;
        for (size_t i = 0; i < ridge->n; i++)
                ridge->right[i] /= ridge->worth;
        ridge->worth = 1;
}

void ridge_add(Ridge *ridge, const double *row, double target)
{
        double *cell = ridge->gram;

        for (size_t i = 0; i < ridge->n; i++) {
                double by = row[i] * ridge->worth;
                for (size_t j = 0; j <= i; j++)
                        cell[j] += by * row[j];
                cell += i + 1;
                ridge->right[i] += by * target;
        }
        ridge->rows++;
        ridge->worth *= ridge->growth;
        if (ridge->worth > WORTH_MAX)
                scale_down(ridge);
}

/* Cholesky's way, in place of a copy. The constant is hardly penalised. */
void ridge_fit(Ridge *ridge)
{
        double factor[RIDGE_MAX][RIDGE_MAX], z[RIDGE_MAX];
        const double *cell = ridge->gram;
        double penalty = ridge->penalty * ridge->worth;
        size_t n = ridge->n;

        for (size_t i = 0; i < n; i++) {
                for (size_t j = 0; j <= i; j++) {
                        double sum = cell[j];
                        for (size_t k = 0; k < j; k++)
                                sum -= factor[i][k] * factor[j][k];
                        if (i == j) {
                                sum += penalty * (i ? 1 : 1e-3);
                                factor[i][i] = sqrt(fmax(sum, 1e-9 * penalty));
                        } else {
                                factor[i][j] = sum / factor[j][j];
                        }
                }
                cell += i + 1;
        }
        for (size_t i = 0; i < n; i++) {
                double sum = ridge->right[i];
                for (size_t k = 0; k < i; k++)
                        sum -= factor[i][k] * z[k];
                z[i] = sum / factor[i][i];
        }
        for (size_t i = n; i-- > 0;) {
                double sum = z[i];
                for (size_t k = i + 1; k < n; k++)
                        sum -= factor[k][i] * ridge->weights[k];
                ridge->weights[i] = sum / factor[i][i];
        }
        ridge->fitted = true;
}

double ridge_predict(const Ridge *ridge, const double *row)
{
        double sum = 0;

        for (size_t i = 0; ridge->fitted && i < ridge->n; i++)
                sum += ridge->weights[i] * row[i];
        return sum;
}

void ridge_state(Ridge *ridge, State *state)
{
        state_numbers(state, &ridge->worth, 1, 1, WORTH_MAX * 4);
        state_numbers(state, ridge->gram, ridge->n * (ridge->n + 1) / 2, -STATE_MAX, STATE_MAX);
        state_numbers(state, ridge->right, ridge->n, -STATE_MAX, STATE_MAX);
        state_numbers(state, ridge->weights, ridge->n, -STATE_MAX, STATE_MAX);
        state_numbers(state, &ridge->rows, 1, 0, STATE_MAX);
        state_flag(state, &ridge->fitted);
}
