"""The words of the model card; what is in braces is filled in by `card`."""

CARD = """# {name} {version}

Speed over the road from two frames of a forward camera, with its standard deviation.

## What it does

The host tracks features and takes from them the rotation between the frames (known camera) and how the camera sits
above the road. The graph (opset {opset}; batch, height and width free) samples the road {near:g} to {far:g} m ahead in
both frames, correlates it cell by cell for displacements of {low:g} to {high:g} m, and reads the curves with a small
net, the same for every cell, whose answers a plane with unknown pitch and roll is fitted to, robustly and in closed
form. No scale and no place is learnt: metres come from the camera's height, focal length and pitch. {cycles} snapshots
of the net, one from the end of each cycle of the learning rate, are mixed in the graph. Beside the speed the graph
answers with the tilt of the road against the plane that was assumed (`tilt_rad`, the auxiliary target).

## Data and split

{made_of}

## Error

Mean squared error in (m/s)^2 against the frame's own truth: raw, causal (Kalman) and after the fixed-interval smoother
(RTS) of the service; bias of the raw speeds in m/s; shares of errors within one and two standard deviations, raw and
causal, as an answer for a known camera states them: with {given:.1%} of the speed for what is not known of its height
(68 % and 95 % for a calibrated normal); the {window:g} s in which the causal track errs most (root mean square, m/s);
frames per second of processor time, decoding aside, on the training machine.

{scores}

{crossed}
{held}: mse {held_mse:.3f},
within 1 sd {held_within_1sd:.2f}, within 2 sd {held_within_2sd:.2f}; of the variance of the tilts the auxiliary target
explains {held_pitch_r2:.2f} (pitch) and {held_roll_r2:.2f} (roll).

{shown}

## What its parts are worth

Errors per pair of neighbouring frames, before any smoothing, on drives that were not trained on.

{effects}

## Calibration and search

The graph's standard deviations are those of the mixture times {stretch:.3f}, set by
{how}: the geometric mean of what puts 68 % within one and 95 % within two.
Drives differ in what they would ask for; the shares in the tables show by how much. Those of the tilts are multiplied
by {tilt_stretch:.3f}, set by the held-out errors.

{study}

## Limits

- Speeds driven in the recorded data: 0.4 to 14.9 m/s; 0 from repeated frames, {rendered_to:g} m/s from rendered ones.
  Above {seen:g} m/s the standard deviation is widened by a tenth of the excess.
- A pair spans at most {high:g} m: at 10 frames a second and more that is 80 m/s, at 5 frames a second 40 m/s.
- The standard deviation holds for the camera given. Speed is proportional to its height; a height wrong by 3 % is a
  speed wrong by 3 %.
- Rectified lens, daylight. The recorded drives are two of one car in and around one town: other cameras, night, rain,
  snow and dense traffic in the 18 m ahead were seen as rendered variants only.
- The speed is the mean over the pair's tenth of a second, so it lags a change by half of that.

## Licence

{licence}

## Again

    python -m services.speed.training train --data ../shared/data/speed \\
        --out services/speed/models/{name}/{version}{switch} \\
        --rendered {rendered} --variants {variants} --cycles {cycles}

`torchrun --nproc-per-node N -m services.speed.training train ...` does the same on N processes. Seed {seed};
{epochs} epochs in {cycles} cycles; training took {training:.0f} s, the whole run with the cross-drive models
{whole:.0f} s, on {processes} process(es) with {threads} thread(s).
"""

MADE_OF = {
    True: """KITTI odometry, drives 03 and 09, grey, 620x188, about 9.65 frames a second (A. Geiger, P. Lenz, R.
Urtasun, CVPR 2012; A. Geiger, P. Lenz, C. Stiller, R. Urtasun, IJRR 2013). Training: 1,040 frames, 107 s, as pairs
{skips} frames apart, {variants} variants each besides the plain pair: other pitch (sd {pitch:g} rad), roll (sd
{roll:g} rad), camera height ({lowest:g} to {highest:g} of its own), lens, rotation error, light, shadows, traffic in
the way, noise, blur and compression, mirrored, repeated frames (0 m/s); and pairs of {rendered} rendered clips with
other cameras and up to {rendered_to:g} m/s; {examples:,} examples in all. Of each training clip the share {first:g}
to {last:g} of its time is held out, with {gap} frames of gap on both sides. The validation clip is cut from drive 03,
20 frames after the training clip's end; nothing was fitted to it or chosen by it.""",
    False: """No recorded road: pairs {rendered_skips} frames apart of {rendered} rendered clips, each with a road, a
camera and speeds of its own up to {rendered_to:g} m/s, and {variants} variants of each pair besides the plain one:
other pitch (sd {pitch:g} rad), roll (sd {roll:g} rad), camera height ({lowest:g} to {highest:g} of its own), lens,
rotation error, light, shadows, traffic in the way, noise, blur and compression, mirrored, repeated frames (0 m/s);
{examples:,} examples in all. The last {kept:.0%} of the clips are held out. The recorded clips below are KITTI
odometry, drives 03 and 09 (A. Geiger, P. Lenz, R. Urtasun, CVPR 2012): no weight was fitted to them.""",
}

UNSEEN = """Each training clip by a model trained on the other drive (and rendered clips) alone, the honest figure
for an unseen drive, somewhat hopeful since net and recipe were chosen with these errors in view; its standard
deviations calibrated without the clip:

{table}

Pooled: {pooled}.

Clips named train_* in the first table were trained on: read their figures as a fit, not as a test.
"""

RECORDED = """The data are {licence}; so are these weights: non-commercial use, share alike, cite Geiger et al."""

HELD = {
    True: "Held-out blocks, every variant, jittered planes and long baselines included",
    False: "Held-out clips, plain pairs of neighbouring frames",
}

RENDERED = """{licence}: no recorded data went into these weights."""
