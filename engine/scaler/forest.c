/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/scaler/forest.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define BINS 32
#define DEPTH 8
#define LEAF_ROWS 8
#define ROWS_MIN 60

int forest_init(Forest *forest, size_t n, uint64_t seed)
{
        *forest = (Forest){.n = n, .random = seed};
        forest->rows = calloc(FOREST_ROWS * n, sizeof *forest->rows);
        forest->trees = calloc(FOREST_TREES + 1, sizeof *forest->trees);
        return forest->rows && forest->trees ? 0 : -ENOMEM;
}

void forest_done(Forest *forest)
{
        free(forest->rows);
        free(forest->trees);
        *forest = (Forest){0};
}

/* xorshift64*: the same rows always give the same forest. */
static uint32_t draw(Forest *forest, uint32_t below)
{
        uint64_t x = forest->random;

        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        forest->random = x;
        return (uint32_t)(((x * UINT64_C(2685821657736338717)) >> 32) * below >> 32);
}

void forest_add(Forest *forest, const double *row, double target, double share)
{
        int slot = forest->n_rows;

        if (slot == FOREST_ROWS) {
                if (draw(forest, 1U << 16) >= share * (1U << 16))
                        return;
                slot = (int)draw(forest, FOREST_ROWS);
        } else {
                forest->n_rows++;
        }
        for (size_t i = 0; i < forest->n; i++)
                forest->rows[i * FOREST_ROWS + (size_t)slot] = (float)row[i];
        forest->targets[slot] = (float)target;
}

void forest_plant(Forest *forest)
{
        if (forest->growing || forest->n_rows < ROWS_MIN)
                return;
        forest->n_sample = forest->n_rows < FOREST_SAMPLE ? forest->n_rows : FOREST_SAMPLE;
        for (int i = 0; i < forest->n_sample; i++)
                forest->sample[i] = (int)draw(forest, (uint32_t)forest->n_rows);
        forest->trees[FOREST_TREES].n = 1;
        forest->branches[0] = (TreeBranch){0, 0, forest->n_sample, 0};
        forest->n_branches = 1;
        forest->growing = true;
}

static float value_of(const Forest *forest, int i, size_t feature)
{
        return forest->rows[feature * FOREST_ROWS + (size_t)forest->sample[i]];
}

/* Where to divide by this feature, as a histogram has it. Returns what it gains, in squares of the target. */
static double divide(const Forest *forest, TreeBranch b, size_t feature, double sum, float *ret_at)
{
        double sums[BINS] = {0}, left = 0, best = 0;
        int counts[BINS] = {0}, n = b.to - b.from, n_left = 0;
        float least = INFINITY, most = -INFINITY, values[FOREST_SAMPLE];

        /* They lie here and there: to look for them is most of the work, and is done once. */
        for (int i = 0; i < n; i++) {
                float value = values[i] = value_of(forest, b.from + i, feature);
                least = value < least ? value : least;
                most = value > most ? value : most;
        }
        float bins = BINS * 0.9999f / (most - least);
        if (!(most > least) || !isfinite(bins))
                return 0;
        for (int i = 0; i < n; i++) {
                int bin = (int)((values[i] - least) * bins);
                sums[bin] += forest->targets[forest->sample[b.from + i]];
                counts[bin]++;
        }
        for (int bin = 0; bin < BINS - 1; bin++) {
                left += sums[bin];
                n_left += counts[bin];
                if (n_left < LEAF_ROWS || n - n_left < LEAF_ROWS)
                        continue;
                double gain = left * left / n_left + (sum - left) * (sum - left) / (n - n_left) - sum * sum / n;
                if (gain > best) {
                        best = gain;
                        *ret_at = least + (float)(bin + 1) / bins;
                }
        }
        return best;
}

/* Those below `at` first. Returns where the others begin. */
static int part(Forest *forest, TreeBranch b, size_t feature, float at)
{
        int low = b.from, high = b.to;

        while (low < high) {
                if (value_of(forest, low, feature) < at) {
                        low++;
                        continue;
                }
                int row = forest->sample[low];
                forest->sample[low] = forest->sample[--high];
                forest->sample[high] = row;
        }
        return low;
}

static void finish(Forest *forest)
{
        int slot = forest->n_trees < FOREST_TREES ? forest->n_trees++ : forest->oldest++ % FOREST_TREES;

        forest->oldest %= FOREST_TREES;
        memcpy(&forest->trees[slot], &forest->trees[FOREST_TREES], sizeof(Tree));
        forest->growing = false;
}

static void grow_branch(Forest *forest, Tree *tree, TreeBranch b)
{
        TreeNode *node = &tree->nodes[b.node];
        double sum = 0, best = 1e-9;
        size_t feature = 0;
        float at = 0;

        for (int i = b.from; i < b.to; i++)
                sum += forest->targets[forest->sample[i]];
        *node = (TreeNode){.feature = -1, .value = (float)(sum / (b.to - b.from))};
        if (b.depth == DEPTH || b.to - b.from < 2 * LEAF_ROWS || tree->n + 2 > FOREST_NODES)
                return;
        for (size_t tried = 0; tried < forest->n / 3; tried++) {
                size_t candidate = 1 + draw(forest, (uint32_t)forest->n - 1);
                float where = 0;
                double gain = divide(forest, b, candidate, sum, &where);
                if (gain > best) {
                        best = gain;
                        feature = candidate;
                        at = where;
                }
        }
        if (feature == 0)
                return;
        int middle = part(forest, b, feature, at);
        if (middle == b.from || middle == b.to)
                return;
        *node = (TreeNode){(int16_t)feature, (int16_t)tree->n, at};
        forest->branches[forest->n_branches++] = (TreeBranch){tree->n, b.from, middle, b.depth + 1};
        forest->branches[forest->n_branches++] = (TreeBranch){tree->n + 1, middle, b.to, b.depth + 1};
        tree->n += 2;
}

bool forest_grow(Forest *forest)
{
        if (!forest->growing)
                return false;
        grow_branch(forest, &forest->trees[FOREST_TREES], forest->branches[--forest->n_branches]);
        if (forest->n_branches == 0)
                finish(forest);
        return forest->growing;
}

double forest_predict(const Forest *forest, const double *row)
{
        double sum = 0;

        for (int i = 0; i < forest->n_trees; i++) {
                const TreeNode *nodes = forest->trees[i].nodes, *node = nodes;
                while (node->feature >= 0)
                        node = &nodes[node->left + ((float)row[node->feature] < node->value ? 0 : 1)];
                sum += node->value;
        }
        return forest->n_trees > 0 ? sum / forest->n_trees : 0;
}

/* Children come after their parent, so that a walk ends whatever the file says. */
static void tree_state(Tree *tree, size_t n_features, State *state)
{
        state_int(state, &tree->n, 1, FOREST_NODES);
        for (int i = 0; !state->failed && i < tree->n; i++) {
                TreeNode *node = &tree->nodes[i];
                int64_t links[] = {node->feature, node->left};
                state_integers(state, links, 2, -1, FOREST_NODES);
                if (links[0] >= (int64_t)n_features || (links[0] >= 0 && (links[1] <= i || links[1] + 1 >= tree->n)))
                        state->failed = true;
                if (state->failed)
                        return;
                node->feature = (int16_t)links[0];
                node->left = (int16_t)links[1];
                state_floats(state, &node->value, 1, -1e30, 1e30);
                if (isnan(node->value))
                        state->failed = true;
        }
}

void forest_state(Forest *forest, State *state)
{
        int64_t random = (int64_t)forest->random;

        state_integers(state, &random, 1, INT64_MIN, INT64_MAX);
        forest->random = random ? (uint64_t)random : 1;
        state_int(state, &forest->n_trees, 0, FOREST_TREES);
        state_int(state, &forest->oldest, 0, FOREST_TREES - 1);
        for (int i = 0; !state->failed && i < forest->n_trees; i++)
                tree_state(&forest->trees[i], forest->n, state);
        if (!state->out)
                forest->growing = false;
}
