/* finish.h: what is done with the complete sums of a dense layer's products, a panel's rows at a time: the activation, or
 * the way back through that of the layer below.
 *
 * Uses activation.h (activate, pass_back). Gives finish_forward and finish_backward, and what they are told, to forward.h,
 * input_gradient.h and amx/panels.h.
 */

typedef struct {
    const fbp_layer *layer;
    fbp_panels out, slope;
} NAME(activation_of_layer);

/* Applies the activation to n_units units of a panel, just written and still in the cache. */
static INLINE void NAME(finish_forward)(const void *context, ptrdiff_t panel, ptrdiff_t unit, ptrdiff_t n_units)
{
    const NAME(activation_of_layer) *x = context;
    NAME(activate)(x->layer->activation, (real)x->layer->alpha,
                   (real *)x->out.data + panel * x->out.stride + unit * VL,
                   x->slope.data ? (real *)x->slope.data + panel * x->slope.stride + unit * VL : NULL, n_units);
}

typedef struct {
    const fbp_layer *below;
    fbp_panels A, slope, dZ;
} NAME(layer_below);

/* dA -> dZ of n_inputs units of the layer below, of a panel just written and still in the cache. */
static INLINE void NAME(finish_backward)(const void *context, ptrdiff_t panel, ptrdiff_t input, ptrdiff_t n_inputs)
{
    const NAME(layer_below) *x = context;
    NAME(pass_back)(x->below->activation, (real)x->below->alpha,
                    (const real *)x->A.data + panel * x->A.stride + input * VL,
                    x->slope.data ? (const real *)x->slope.data + panel * x->slope.stride + input * VL : NULL,
                    (real *)x->dZ.data + panel * x->dZ.stride + input * VL, n_inputs);
}
