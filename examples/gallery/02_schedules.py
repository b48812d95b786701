"""
Schedules of the learning rate
==============================

What each schedule makes of the learning rate, over 100 epochs or 100 steps.
"""

import matplotlib.pyplot as plt
import numpy as np

import fastbp as fb

SCHEDULES = {
    "StepDecay": fb.StepDecay(1.0, every=30, factor=0.3),
    "ExponentialDecay": fb.ExponentialDecay(1.0, factor=0.96),
    "PolynomialDecay": fb.PolynomialDecay(1.0, over=100),
    "InverseScaling": fb.InverseScaling(1.0),
    "CosineDecay, warm-up": fb.CosineDecay(1.0, over=90, warmup=10),
    "CosineDecay, restarts": fb.CosineDecay(1.0, over=15, restarts=True, stretch=2),
    "OneCycle": fb.OneCycle(1.0, over=100),
    "FlatCosine": fb.FlatCosine(1.0, over=100),
    "CosLog": fb.CosLog(1.0, over=100),
}

# %%
# A schedule is a function of the time, so it can be drawn without training anything.

time = np.arange(101.0)
figure, panels = plt.subplots(3, 3, figsize=(8, 6), sharex=True, sharey=True)
for panel, (name, schedule) in zip(panels.flat, SCHEDULES.items(), strict=True):
    panel.plot(time, schedule.at(time))
    panel.set_title(name, fontsize=10)
plt.show()

# %%
# Pass one in place of the number: ``fb.Adam(fb.OneCycle(1e-2, over=2000))``. A function of the step does as well.
# Weight decay and the rate of a dropout take them, too. ``fb.Plateau`` looks at the figures of training instead of
# the time.
