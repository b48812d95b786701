/* optimizer.h: the weight updates, element by element.
 *
 * Uses simd.h (over_root, square_root, sign) and vmath.h (minimum). Gives update to the table.
 *
 * Each formula is a function of the name that fastbp.h lists, works on whole vectors, and is compiled once. The
 * elements after the last whole vector are copied to a vector on the stack and go through the same function. So the
 * bits of an element do not depend on where a share of the weights begins or ends. A weight of zero without gradient
 * stays zero, as the padding of the rows has to.
 */

/* An epsilon that is too small for this dtype would become zero, and the step of a weight without gradient 0 / 0. */
static INLINE vec NAME(at_least_normal)(double x)
{
    const double least = REAL_BITS == 32 ? FLT_MIN : DBL_MIN;
    return NAME(splat)((real)(x > least ? x : least));
}

/* SGD as PyTorch defines it (momentum after Polyak 1964, Nesterov after Sutskever et al. 2013, without dampening):
 *   d = g + decay * w;  velocity = momentum * velocity + d;
 *   w -= rate * (nesterov ? d + momentum * velocity : velocity) */
static NOINLINE void NAME(update_sgd)(const fbp_update *u, real *w, const real *g, real *const *states, ptrdiff_t n)
{
    real *velocity = states[0];
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
 *   w -= rate * m / (1 - beta_1^t) / (sqrt(v / (1 - beta_2^t)) + epsilon)
 * AMSGrad (Reddi et al. 2018) puts the largest v so far in v's place: the caller gives `largest`, else NULL. Without
 * decay (`decays` is 0, a constant) two multiply-adds of eleven are left out, which change no bit. */
static INLINE void NAME(adam_step)(const fbp_update *u, const int decays, real *w, const real *g, real *m, real *v,
                                   real *largest, ptrdiff_t n)
{
    const vec rate = NAME(splat)((real)(u->learning_rate * u->correction_1));
    const vec root_correction = NAME(splat)((real)sqrt(u->correction_2)), epsilon = NAME(at_least_normal)(u->epsilon);
    const vec new_1 = NAME(splat)((real)(1 - u->beta_1)), new_2 = NAME(splat)((real)(1 - u->beta_2));
    const vec decay = NAME(splat)((real)(u->decoupled_decay ? 0 : u->weight_decay));
    const vec shrink = NAME(splat)((real)(u->decoupled_decay ? u->learning_rate * u->weight_decay : 0));
    for (ptrdiff_t i = 0; i < n; i += VL) {
        vec weight = NAME(load_any)(w + i);
        vec d = NAME(load_any)(g + i);
        if (decays)
            d += decay * weight;
        vec first = NAME(load_any)(m + i), second = NAME(load_any)(v + i);
        first += new_1 * (d - first);
        second += new_2 * (d * d - second);
        NAME(store_any)(m + i, first);
        NAME(store_any)(v + i, second);
        if (largest) {
            second = NAME(maximum)(NAME(load_any)(largest + i), second);
            NAME(store_any)(largest + i, second);
        }
        if (decays)
            weight -= shrink * weight;
        NAME(store_any)(w + i, weight - rate * NAME(over_root)(first, second, root_correction, epsilon));
    }
}

static NOINLINE void NAME(update_adam)(const fbp_update *u, real *w, const real *g, real *const *states, ptrdiff_t n)
{
    if (u->amsgrad)
        NAME(adam_step)(u, 1, w, g, states[0], states[1], states[2], n);
    else if (u->weight_decay != 0)
        NAME(adam_step)(u, 1, w, g, states[0], states[1], NULL, n);
    else
        NAME(adam_step)(u, 0, w, g, states[0], states[1], NULL, n);
}

/* RMSprop (Tieleman & Hinton 2012; centered after Graves 2013), as PyTorch defines it:
 *   v += (1 - beta_2) (g^2 - v);  centered: mean += (1 - beta_2) (g - mean)
 *   d = g / (sqrt(centered ? v - mean^2 : v) + epsilon);  velocity = momentum * velocity + d;  w -= rate * velocity
 * A variance that rounding would take below zero is zero. */
static NOINLINE void NAME(update_rmsprop)(const fbp_update *u, real *w, const real *g, real *const *states, ptrdiff_t n)
{
    real *square = states[0], *velocity = states[1], *mean = u->centered ? states[2] : NULL;
    const vec rate = NAME(splat)((real)u->learning_rate), momentum = NAME(splat)((real)u->momentum);
    const vec new = NAME(splat)((real)(1 - u->beta_2)), decay = NAME(splat)((real)u->weight_decay);
    const vec epsilon = NAME(at_least_normal)(u->epsilon), one = NAME(splat)(1);
    for (ptrdiff_t i = 0; i < n; i += VL) {
        const vec weight = NAME(load_any)(w + i);
        const vec d = NAME(load_any)(g + i) + decay * weight;
        vec variance = NAME(load_any)(square + i);
        variance += new * (d * d - variance);
        NAME(store_any)(square + i, variance);
        if (mean) {
            vec average = NAME(load_any)(mean + i);
            average += new * (d - average);
            NAME(store_any)(mean + i, average);
            variance = NAME(maximum)(NAME(splat)(0), variance - average * average);
        }
        vec step = NAME(over_root)(d, variance, one, epsilon);
        if (velocity) {
            step += momentum * NAME(load_any)(velocity + i);
            NAME(store_any)(velocity + i, step);
        }
        NAME(store_any)(w + i, weight - rate * step);
    }
}

/* Adagrad (Duchi et al. 2011), as PyTorch defines it:  s += g^2;  w -= rate * g / (sqrt(initial + s) + epsilon) */
static NOINLINE void NAME(update_adagrad)(const fbp_update *u, real *w, const real *g, real *const *states, ptrdiff_t n)
{
    real *sum = states[0];
    const vec rate = NAME(splat)((real)u->learning_rate), decay = NAME(splat)((real)u->weight_decay);
    const vec initial = NAME(splat)((real)u->initial), epsilon = NAME(at_least_normal)(u->epsilon);
    for (ptrdiff_t i = 0; i < n; i += VL) {
        const vec weight = NAME(load_any)(w + i);
        const vec d = NAME(load_any)(g + i) + decay * weight;
        const vec s = NAME(load_any)(sum + i) + d * d;
        NAME(store_any)(sum + i, s);
        NAME(store_any)(w + i, weight - rate * NAME(over_root)(d, initial + s, NAME(splat)(1), epsilon));
    }
}

/* Adadelta (Zeiler 2012), as PyTorch defines it:
 *   v += (1 - beta_2) (g^2 - v);  change = g * sqrt(c + epsilon) / sqrt(v + epsilon)
 *   c += (1 - beta_2) (change^2 - c);  w -= rate * change */
static NOINLINE void NAME(update_adadelta)(const fbp_update *u, real *w, const real *g, real *const *states, ptrdiff_t n)
{
    real *square = states[0], *change_square = states[1];
    const vec rate = NAME(splat)((real)u->learning_rate), decay = NAME(splat)((real)u->weight_decay);
    const vec new = NAME(splat)((real)(1 - u->beta_2)), epsilon = NAME(at_least_normal)(u->epsilon);
    for (ptrdiff_t i = 0; i < n; i += VL) {
        const vec weight = NAME(load_any)(w + i);
        const vec d = NAME(load_any)(g + i) + decay * weight;
        vec v = NAME(load_any)(square + i), c = NAME(load_any)(change_square + i);
        v += new * (d * d - v);
        const vec change = d * (NAME(square_root)(c + epsilon) / NAME(square_root)(v + epsilon));
        c += new * (change * change - c);
        NAME(store_any)(square + i, v);
        NAME(store_any)(change_square + i, c);
        NAME(store_any)(w + i, weight - rate * change);
    }
}

/* Adamax (Kingma & Ba 2015, section 7), as PyTorch defines it:
 *   m += (1 - beta_1) (g - m);  v = max(beta_2 * v, |g| + epsilon);  w -= rate / (1 - beta_1^t) * m / v */
static NOINLINE void NAME(update_adamax)(const fbp_update *u, real *w, const real *g, real *const *states, ptrdiff_t n)
{
    real *m = states[0], *v = states[1];
    const vec rate = NAME(splat)((real)(u->learning_rate * u->correction_1));
    const vec new = NAME(splat)((real)(1 - u->beta_1)), beta_2 = NAME(splat)((real)u->beta_2);
    const vec decay = NAME(splat)((real)u->weight_decay), epsilon = NAME(at_least_normal)(u->epsilon);
    for (ptrdiff_t i = 0; i < n; i += VL) {
        const vec weight = NAME(load_any)(w + i);
        const vec d = NAME(load_any)(g + i) + decay * weight;
        vec first = NAME(load_any)(m + i);
        first += new * (d - first);
        const vec largest = NAME(maximum)(beta_2 * NAME(load_any)(v + i), NAME(absolute)(d) + epsilon);
        NAME(store_any)(m + i, first);
        NAME(store_any)(v + i, largest);
        NAME(store_any)(w + i, weight - rate * (first / largest));
    }
}

/* NAdam (Dozat 2016), as PyTorch defines it: Adam's averages, and
 *   w -= rate * (gradient_share * g + moment_share * m) / (sqrt(v / (1 - beta_2^t)) + epsilon) */
static NOINLINE void NAME(update_nadam)(const fbp_update *u, real *w, const real *g, real *const *states, ptrdiff_t n)
{
    real *m = states[0], *v = states[1];
    const vec of_gradient = NAME(splat)((real)(u->learning_rate * u->gradient_share));
    const vec of_moment = NAME(splat)((real)(u->learning_rate * u->moment_share));
    const vec root_correction = NAME(splat)((real)sqrt(u->correction_2)), epsilon = NAME(at_least_normal)(u->epsilon);
    const vec new_1 = NAME(splat)((real)(1 - u->beta_1)), new_2 = NAME(splat)((real)(1 - u->beta_2));
    const vec decay = NAME(splat)((real)u->weight_decay);
    for (ptrdiff_t i = 0; i < n; i += VL) {
        const vec weight = NAME(load_any)(w + i);
        const vec d = NAME(load_any)(g + i) + decay * weight;
        vec first = NAME(load_any)(m + i), second = NAME(load_any)(v + i);
        first += new_1 * (d - first);
        second += new_2 * (d * d - second);
        NAME(store_any)(m + i, first);
        NAME(store_any)(v + i, second);
        const vec step = of_gradient * d + of_moment * first;
        NAME(store_any)(w + i, weight - NAME(over_root)(step, second, root_correction, epsilon));
    }
}

/* RAdam (Liu et al. 2020), as PyTorch defines it: Adam's averages, and
 *   w -= rate * m / (1 - beta_1^t) * rectification / (sqrt(v) + epsilon), or without the last factor while it is 0 */
static NOINLINE void NAME(update_radam)(const fbp_update *u, real *w, const real *g, real *const *states, ptrdiff_t n)
{
    real *m = states[0], *v = states[1];
    const int rectified = u->rectification > 0;
    const vec rate = NAME(splat)((real)(u->learning_rate * u->correction_1 * (rectified ? u->rectification : 1)));
    const vec new_1 = NAME(splat)((real)(1 - u->beta_1)), new_2 = NAME(splat)((real)(1 - u->beta_2));
    const vec decay = NAME(splat)((real)u->weight_decay), epsilon = NAME(at_least_normal)(u->epsilon);
    for (ptrdiff_t i = 0; i < n; i += VL) {
        const vec weight = NAME(load_any)(w + i);
        const vec d = NAME(load_any)(g + i) + decay * weight;
        vec first = NAME(load_any)(m + i), second = NAME(load_any)(v + i);
        first += new_1 * (d - first);
        second += new_2 * (d * d - second);
        NAME(store_any)(m + i, first);
        NAME(store_any)(v + i, second);
        const vec step = rectified ? NAME(over_root)(first, second, NAME(splat)(1), epsilon) : first;
        NAME(store_any)(w + i, weight - rate * step);
    }
}

/* Lion (Chen et al. 2023):
 *   w -= rate * (sign(m + (1 - beta_1) (g - m)) + decay * w);  m += (1 - beta_2) (g - m) */
static NOINLINE void NAME(update_lion)(const fbp_update *u, real *w, const real *g, real *const *states, ptrdiff_t n)
{
    real *m = states[0];
    const vec rate = NAME(splat)((real)u->learning_rate);
    const vec shrink = NAME(splat)((real)(u->learning_rate * u->weight_decay));
    const vec new_1 = NAME(splat)((real)(1 - u->beta_1)), new_2 = NAME(splat)((real)(1 - u->beta_2));
    for (ptrdiff_t i = 0; i < n; i += VL) {
        const vec weight = NAME(load_any)(w + i);
        const vec first = NAME(load_any)(m + i), news = NAME(load_any)(g + i) - first;
        NAME(store_any)(m + i, first + new_2 * news);
        NAME(store_any)(w + i, weight - shrink * weight - rate * NAME(sign)(first + new_1 * news));
    }
}

/* Rprop (Riedmiller & Braun 1993), as PyTorch defines it:
 *   step *= eta_plus where g has its former sign, eta_minus where the other; kept between min_step and max_step
 *   g = 0 where the sign changed;  w -= sign(g) * step;  former = g
 * A step of zero has not been set yet; it starts from the learning rate. */
static NOINLINE void NAME(update_rprop)(const fbp_update *u, real *w, const real *g, real *const *states, ptrdiff_t n)
{
    real *former = states[0], *steps = states[1];
    const vec zero = NAME(splat)(0), one = NAME(splat)(1), start = NAME(at_least_normal)(u->learning_rate);
    const vec minus = NAME(splat)((real)u->eta_minus), plus = NAME(splat)((real)u->eta_plus);
    const vec least = NAME(at_least_normal)(u->min_step), most = NAME(at_least_normal)(u->max_step);
    for (ptrdiff_t i = 0; i < n; i += VL) {
        const vec d = NAME(load_any)(g + i), step = NAME(load_any)(steps + i);
        const vec same = NAME(sign)(d) * NAME(sign)(NAME(load_any)(former + i));
        const ivec changed = MASK(same < zero);
        const vec factor = NAME(select)(changed, minus, NAME(select)(MASK(same > zero), plus, one));
        const vec wanted = NAME(select)(MASK(step > zero), step, start) * factor;
        const vec size = NAME(minimum)(most, NAME(maximum)(least, wanted));
        const vec kept = NAME(select)(changed, zero, d);
        NAME(store_any)(steps + i, size);
        NAME(store_any)(former + i, kept);
        NAME(store_any)(w + i, NAME(load_any)(w + i) - NAME(sign)(kept) * size);
    }
}

#define UPDATE_ENTRY(constant, name, state_1, state_2, state_3) [constant] = NAME(update_##name),
static void (*const NAME(updates)[])(const fbp_update *, real *, const real *, real *const *, ptrdiff_t) = {
    FBP_EACH_OPTIMIZER(UPDATE_ENTRY)};
#undef UPDATE_ENTRY

static void NAME(update)(fbp_optimizer optimizer, const fbp_update *numbers, void *w, const void *g,
                         void *const *states, ptrdiff_t n)
{
    const ptrdiff_t whole = n - n % VL;
    real *weights = w, *arrays[FBP_STATES];
    const real *gradient = g;
    for (int i = 0; i < FBP_STATES; i++)
        arrays[i] = states[i];
    NAME(updates)[optimizer](numbers, weights, gradient, arrays, whole);
    if (whole == n)
        return;

    const size_t rest = (size_t)(n - whole) * sizeof(real);
    real w_rest[VL] = {0}, g_rest[VL] = {0}, state_rests[FBP_STATES][VL] = {{0}}, *rests[FBP_STATES] = {NULL};
    memcpy(w_rest, weights + whole, rest);
    memcpy(g_rest, gradient + whole, rest);
    for (int i = 0; i < FBP_STATES; i++)
        if (arrays[i]) {
            rests[i] = state_rests[i];
            memcpy(rests[i], arrays[i] + whole, rest);
        }
    NAME(updates)[optimizer](numbers, w_rest, g_rest, rests, VL);
    memcpy(weights + whole, w_rest, rest);
    for (int i = 0; i < FBP_STATES; i++)
        if (arrays[i])
            memcpy(arrays[i] + whole, rests[i], rest);
}
