/* losses/all_losses.h: the loss of one panel and its gradient, by the loss's constant.
 *
 * Uses the other headers of losses/. Gives loss_panel to the table.
 */

static vec NAME(losses_of)(fbp_loss loss, const NAME(loss_input) *x)
{
    const real *o = x->o, *t = x->t;
    real *g = x->g;
    const ptrdiff_t n = x->n_units * VL;
    vec sum = NAME(splat)(0), slope;
    switch (loss) {
#define CASE_0(constant, name) \
    case constant:             \
        sum = NAME(name)(x);   \
        break;
#define CASE_1(constant, name)                                                                \
    case constant:                                                                            \
        for (ptrdiff_t i = 0; i < n; i += VL) {                                               \
            sum += NAME(name)(NAME(load)(o + i), NAME(load)(t + i), x->parameters, &slope);   \
            if (g)                                                                            \
                NAME(store)(g + i, slope * x->scale);                                         \
        }                                                                                     \
        break;
#define CASE(constant, name, elementwise, takes_Z, over_outputs) CASE_##elementwise(constant, name)
        FBP_EACH_LOSS(CASE)
#undef CASE
#undef CASE_0
#undef CASE_1
    }
    return sum;
}

static double NAME(loss_panel)(const fbp_objective *objective, fbp_panels output, fbp_panels targets,
                               const int32_t *labels, const double *sample_weights, ptrdiff_t n_units, ptrdiff_t p,
                               ptrdiff_t n_rows, double scale, fbp_panels gradient)
{
    const NAME(loss_input) panel = {
        .o = (const real *)output.data + p * output.stride,
        /* The engine has room for targets beside labels too; other callers may give NULL. */
        .t = targets.data ? (const real *)targets.data + p * targets.stride : NULL, /* no branch - see above */
        .labels = labels,
        .n_units = n_units,
        .n_rows = n_rows,
        .parameters = objective->parameters,
        .n_parameters = objective->n_parameters,
        .scale = NAME(scale_of_samples)(sample_weights, n_rows, scale),
        .g = gradient.data ? (real *)gradient.data + p * gradient.stride : NULL,
    };
    return NAME(total)(NAME(losses_of)(objective->loss, &panel), sample_weights, n_rows);
}
