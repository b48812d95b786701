/* losses/policy.h: the policy gradient, for a policy that is a softmax.
 *
 * Uses losses/base.h, simd.h and vmath.h (vlog, vexp).
 */

/* softmax and policy gradient from Z. t: action a, advantage A and, with clipping, the old log-probability [2 or 3][VL].
 * Parameters: clip, or 0 for none; the factor of the entropy H = -sum of p log p.
 *
 *   -A log p(a) - factor * H                                                        (Williams 1992, REINFORCE)
 *   -min(r A, r limited to 1 - clip .. 1 + clip times A) - factor * H, r = p(a) / old p(a)   (Schulman et al. 2017, PPO)
 *
 * With s the slope by log p(a), the gradient by z is s ((unit == a) - p) + factor * p (log p + H). */
static vec NAME(policy_gradient)(const NAME(loss_input) *x)
{
    const real clip = (real)x->parameters[0], bonus = (real)x->parameters[1];
    const vec action = NAME(load)(x->t), advantage = NAME(load)(x->t + VL);
    const ptrdiff_t n = x->n_units * VL;
    vec top, unit = NAME(splat)(0), log_p = NAME(splat)(0), mean = NAME(splat)(0);
    const vec sum = NAME(exponentials)(x->o, x->n_units, &top, x->g), log_sum = NAME(vlog)(sum);
    for (ptrdiff_t i = 0; i < n; i += VL) {
        const vec distance = NAME(load)(x->o + i) - top;
        log_p += NAME(keep)(MASK(action == unit), distance - log_sum);
        mean += NAME(vexp)(distance) * distance;
        unit += (real)1;
    }
    const vec entropy = log_sum - mean / sum;
    vec value = -advantage * log_p, slope = -advantage;
    if (clip != 0) {
        const vec ratio = NAME(vexp)(log_p - NAME(load)(x->t + 2 * VL));
        const vec free = ratio * advantage;
        const vec limited = advantage * NAME(minimum)(NAME(splat)((real)1 + clip),
                                                      NAME(maximum)(NAME(splat)((real)1 - clip), ratio));
        const ivec is_free = MASK(free <= limited);
        value = -NAME(select)(is_free, free, limited);
        slope = -NAME(keep)(is_free, free);
    }
    if (x->g) {
        unit = NAME(splat)(0);
        for (ptrdiff_t i = 0; i < n; i += VL) {
            const vec p = NAME(load)(x->g + i) / sum, of_p = NAME(load)(x->o + i) - top - log_sum + entropy;
            const vec of_action = NAME(keep)(MASK(action == unit), slope);
            NAME(store)(x->g + i, (of_action - slope * p + p * of_p * bonus) * x->scale);
            unit += (real)1;
        }
    }
    return value - entropy * bonus;
}
