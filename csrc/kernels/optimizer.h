/* optimizer.h: the weight updates, element by element.
 *
 * Each formula works on whole vectors, in a function of its own that is compiled once; what is left of a row passes
 * through a vector on the stack and the same function. So an element gets the same bits wherever a share of the weights
 * begins or ends.
 */

/* SGD as PyTorch defines it (momentum after Polyak 1964, Nesterov after Sutskever et al. 2013, without dampening):
 *   d = g + decay * w;  velocity = momentum * velocity + d;
 *   w -= rate * (nesterov ? d + momentum * velocity : velocity) */
static NOINLINE void NAME(update_sgd)(const fbp_update *u, real *w, const real *g, real *velocity, ptrdiff_t n)
{
    const vec rate = NAME(splat)((real)u->learning_rate), momentum = NAME(splat)((real)u->momentum);
    const vec decay = NAME(splat)((real)u->weight_decay);
    for (ptrdiff_t i = 0; i < n; i += VL) {
        const vec weight = NAME(load_any)(w + i);
        vec d = NAME(load_any)(g + i) + decay * weight;
        if (velocity) {
            const vec v = momentum * NAME(load_any)(velocity + i) + d;
            NAME(store_any)(velocity + i, v);
            d = u->nesterov ? d + momentum * v : v;
        }
        NAME(store_any)(w + i, weight - rate * d);
    }
}

/* Adam (Kingma & Ba 2015) and, with the decay decoupled, AdamW (Loshchilov & Hutter 2019), as PyTorch defines them:
 *   m += (1 - beta_1) (g - m);  v += (1 - beta_2) (g^2 - v)
 *   w -= rate * m / (1 - beta_1^t) / (sqrt(v / (1 - beta_2^t)) + epsilon) */
static NOINLINE void NAME(update_adam)(const fbp_update *u, real *w, const real *g, real *m, real *v, ptrdiff_t n)
{
    const vec rate = NAME(splat)((real)(u->learning_rate * u->correction_1));
    const vec root_correction = NAME(splat)((real)sqrt(u->correction_2));
    /* An epsilon too small for this dtype would be zero, and a weight without gradient 0 / 0. */
    const double least = REAL_BITS == 32 ? FLT_MIN : DBL_MIN;
    const vec epsilon = NAME(splat)((real)(u->epsilon > least ? u->epsilon : least));
    const vec new_1 = NAME(splat)((real)(1 - u->beta_1)), new_2 = NAME(splat)((real)(1 - u->beta_2));
    const vec decay = NAME(splat)((real)(u->decoupled_decay ? 0 : u->weight_decay));
    const vec shrink = NAME(splat)((real)(u->decoupled_decay ? u->learning_rate * u->weight_decay : 0));
    for (ptrdiff_t i = 0; i < n; i += VL) {
        vec weight = NAME(load_any)(w + i);
        const vec d = NAME(load_any)(g + i) + decay * weight;
        vec first = NAME(load_any)(m + i), second = NAME(load_any)(v + i);
        first += new_1 * (d - first);
        second += new_2 * (d * d - second);
        NAME(store_any)(m + i, first);
        NAME(store_any)(v + i, second);
        weight -= shrink * weight;
        NAME(store_any)(w + i, weight - rate * NAME(over_root)(first, second, root_correction, epsilon));
    }
}

static void NAME(update_vectors)(fbp_optimizer optimizer, const fbp_update *numbers, real *w, const real *g,
                                 real *state_1, real *state_2, ptrdiff_t n)
{
    if (optimizer == FBP_ADAM)
        NAME(update_adam)(numbers, w, g, state_1, state_2, n);
    else
        NAME(update_sgd)(numbers, w, g, state_1, n);
}

static void NAME(update)(fbp_optimizer optimizer, const fbp_update *numbers, void *w, const void *g, void *state_1,
                         void *state_2, ptrdiff_t n)
{
    const ptrdiff_t whole = n - n % VL;
    real *weights = w, *first = state_1, *second = state_2;
    const real *gradient = g;
    NAME(update_vectors)(optimizer, numbers, weights, gradient, first, second, whole);
    if (whole == n)
        return;

    const size_t rest = (size_t)(n - whole) * sizeof(real);
    real w_rest[VL] = {0}, g_rest[VL] = {0}, first_rest[VL] = {0}, second_rest[VL] = {0};
    memcpy(w_rest, weights + whole, rest);
    memcpy(g_rest, gradient + whole, rest);
    if (first)
        memcpy(first_rest, first + whole, rest);
    if (second)
        memcpy(second_rest, second + whole, rest);
    NAME(update_vectors)(optimizer, numbers, w_rest, g_rest, first ? first_rest : NULL, second ? second_rest : NULL,
                         VL);
    memcpy(weights + whole, w_rest, rest);
    if (first)
        memcpy(first + whole, first_rest, rest);
    if (second)
        memcpy(second + whole, second_rest, rest);
}
