"""Who computes it: the Cython modules, which split the work of the C kernels among threads.

It imports nothing: its modules use each other and the kernels in csrc/. They trust their arguments, which the
library has checked.

From the bottom: kernels, secret_numbers, numpy_shuffle, cpus, team, pace, gate, arena, array_reader,
number_columns, layout; features, errors, records; groups, stage_specs, tables, penalty, members, stages, narrow, loss,
update_rules; sweep, prediction, network; run, weight_update, step, private_step, shards, sharded_gradient,
divided_update, sharded_step, session_memory, python_calls, session, sharded_session, divided_session, given_gradients,
private_session, tangents, hessians, ways, derivative_pass, derivatives.
Each imports only those before it. A .pxd says what a struct's members are, with the shape of each buffer.

Glossary
--------
stage        one step of the way from inputs to outputs: a product, an activation, a dropout. A layer is one or several.
             Files name a stage's arrays by the number of the stage: a number never changes its meaning.
shard        one of 2^d parts of a step's batch, whose gradients are added in a fixed tree, by whomever: see shards.pxd.
unit         one of the numbers that a stage puts out for a sample.
step         one update of the parameters; by one batch, or by several (gradient accumulation).
micro-batch  samples whose weight gradients are computed at once: at most 4096 of a step.
chunk        what a user's source of data hands over at a time (fastbp.data.chunks). The engine never sees one.
panel        VL samples, one for each lane of a vector: [features][VL]. Activations and gradients lie in panels.
lane, VL     a vector register's numbers; VL is how many.
block        the same numbers the other way round: a vector of VL features for each sample, [samples][VL].
row          a sample in the user's array. A table row is one of an embedding table.
group        the panels that a prediction takes through all stages at a time.
team         the threads that work on a step or on a prediction together.
pace         the search for the fastest size of a team.
gate         lets many threads read a network's parameters, or one write them.
share        what one thread does of it: panels going forward and backward, units for weight gradients and updates. The
             rows of an embedding table are split into a fixed number of table shares, and these among the threads.
narrow       products of operands that are rounded to bfloat16, with float32 sums; and the rounded copies for them.
piece        the units that one kernel call takes, where a product is cut: for Ctrl-C in a long step, or so that a
             gradient is still in the cache when it is used.
tile, strip  the part of a product that stays in registers, and the tiles that share their weights: csrc/ only.
pass         all stages once: the forward pass, the backward pass.
meeting      all threads wait for each other around what a stage needs from the whole batch.
slot         where a panel's losses and metrics are summed: [slot_size] doubles.
member       one of several networks that share stages, a batch ensemble; their features lie side by side in a panel.
sample weight   how often a sample counts. "Weights" alone are parameters.
A, Z, dZ     a stage's output after and before its activation; d* is the gradient of the mean loss by *.
"""
