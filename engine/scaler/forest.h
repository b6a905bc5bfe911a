/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/scaler/features.h"

/* A random forest that is never finished: now and then a new tree, grown from rows kept of the last days, takes the
 * place of the oldest. A tree is grown in pieces, so that nobody waits for it. It predicts how the logarithm of the
 * load will change; so it says nothing about a level that it has never seen. */

#define FOREST_TREES 24
#define FOREST_NODES 256
#define FOREST_ROWS 3072
#define FOREST_SAMPLE 1536 /* rows that a tree is grown from */

typedef struct TreeNode {
        int16_t feature; /* -1: a leaf */
        int16_t left;    /* the right one follows it */
        float value;     /* where it divides; of a leaf, its mean */
} TreeNode;

typedef struct Tree {
        int n;
        TreeNode nodes[FOREST_NODES];
} Tree;

/* Rows of a node that is to be divided: `from` … `to` of the sample. */
typedef struct TreeBranch {
        int node, from, to, depth;
} TreeBranch;

typedef struct Forest {
        size_t n;    /* values of a row */
        float *rows; /* owned: FOREST_ROWS of them, by columns, since trees are grown by those */
        float targets[FOREST_ROWS];
        int n_rows;
        uint64_t random;
        Tree *trees; /* owned: FOREST_TREES, and behind them the one that grows */
        int n_trees, oldest;
        bool growing;
        int sample[FOREST_SAMPLE], n_sample;
        TreeBranch branches[FOREST_NODES];
        int n_branches;
} Forest;

/* -ENOMEM. `seed` is not 0. */
int forest_init(Forest *forest, size_t n, uint64_t seed);
void forest_done(Forest *forest);

/* Keeps a row, in place of any other when there are many: so older ones grow rarer. `share` is the chance that it is
 * kept then. */
void forest_add(Forest *forest, const double *row, double target, double share);

/* Begins a new tree; nothing while one grows, or there are too few rows. */
void forest_plant(Forest *forest);

/* Grows it by one branch, at most some 100 µs. Returns whether there is more to do. */
bool forest_grow(Forest *forest);

/* 0 while there is no tree. */
double forest_predict(const Forest *forest, const double *row);

/* The trees, not the rows: those come again by themselves. */
void forest_state(Forest *forest, State *state);
