"""A recurrent head: an LSTM that reads a video's pairs of frames one after another and filters their speed itself.

An alternative to the plain head and the Kalman filter behind it. From what each pair says the cell decides by how much
the speed believed so far moves towards the pair's, what is added to both and how sure that is:

    speed_t = speed_(t-1) + gain_t (measured_t - speed_(t-1)) + shift_t

The cell is Hochreiter & Schmidhuber's (1997) with a forget gate (Gers, Schmidhuber & Cummins, 2000), written out so
that its gates can be looked at.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

HIDDEN = 8
SHIFT_MPS = 0.3
"""The most that a pair may add to what was measured and believed."""
LOG_SD = (-4.0, 3.0)


class Gates(NamedTuple):
    """Of one step, [N, hidden] each: what is let in, what is kept, what is offered, what is let out, and the state
    after it: `memory` (c) and `hidden` (h)."""

    input: Tensor
    forget: Tensor
    cell: Tensor
    output: Tensor
    memory: Tensor
    hidden: Tensor


class Cell(nn.Module):
    """One step of an LSTM; its weights have torch.nn.LSTM's names, shapes and order of gates."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        bound = hidden**-0.5
        shapes = {"weight_ih": (4 * hidden, inputs), "weight_hh": (4 * hidden, hidden), "bias_ih": (4 * hidden,)}
        for name, shape in shapes.items():
            self.register_parameter(name, nn.Parameter(torch.empty(shape).uniform_(-bound, bound)))
        bias = torch.zeros(4 * hidden)
        bias[hidden : 2 * hidden] = 1.0  # remembers at first (Jozefowicz, Zaremba & Sutskever, 2015)
        self.bias_hh = nn.Parameter(bias)

    def forward(self, x: Tensor, hidden: Tensor, memory: Tensor) -> Gates:
        weight_ih, weight_hh, bias_ih = (self.get_parameter(n) for n in ("weight_ih", "weight_hh", "bias_ih"))
        sums = x @ weight_ih.T + bias_ih + hidden @ weight_hh.T + self.bias_hh
        let_in, keep, offered, let_out = sums.chunk(4, dim=1)
        let_in, keep, let_out, offered = let_in.sigmoid(), keep.sigmoid(), let_out.sigmoid(), offered.tanh()
        after = keep * memory + let_in * offered
        return Gates(let_in, keep, offered, let_out, after, let_out * after.tanh())


class State(NamedTuple):
    """Between two pairs: `hidden` and `memory` [N, hidden], the `speed` believed [N] in m/s, and whether there is one
    yet: `begun` [N], 0 or 1."""

    hidden: Tensor
    memory: Tensor
    speed: Tensor
    begun: Tensor


class Step(NamedTuple):
    """Speed and its log standard deviation [N], the `gain` [N] that led to it, the cell's gates, and what follows."""

    speed: Tensor
    log_sd: Tensor
    gain: Tensor
    gates: Gates
    state: State


class Recurrent(nn.Module):
    """`features` numbers of each pair, see `recurrent_features`; `centre` and `scale` [features] are theirs over the
    training material."""

    centre: Tensor
    scale: Tensor

    def __init__(self, features: int, hidden: int = HIDDEN, dropout: float = 0.2) -> None:
        super().__init__()
        self.hidden = hidden
        self.register_buffer("centre", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))
        self.squeeze = nn.Sequential(nn.Dropout(dropout), nn.Linear(features, hidden), nn.Tanh())
        self.cell = Cell(hidden + 2, hidden)
        self.tell = nn.Linear(hidden, 3)
        nn.init.zeros_(self.tell.weight)
        nn.init.constant_(self.tell.bias, 0.0)

    def begin(self, rows: int) -> State:
        nothing = torch.zeros(rows, self.hidden)
        return State(nothing, nothing, torch.zeros(rows), torch.zeros(rows))

    def forward(self, features: Tensor, measured: Tensor, log_sd: Tensor, state: State) -> Step:
        """One pair of each of N videos: `features` [N, F], `measured` speed and the log of its standard deviation [N];
        where nothing was measured (NaN) the last speed stays."""
        seen = torch.isfinite(measured) & torch.isfinite(log_sd)
        measured = torch.where(seen, measured, state.speed)
        log_sd = torch.where(seen, log_sd, torch.full_like(log_sd, LOG_SD[1]))
        begun = (state.begun > 0) & seen
        surprise = torch.where(begun, measured - state.speed, torch.zeros_like(measured))
        x = self.squeeze(torch.where(seen[:, None], (features - self.centre) / self.scale, 0.0))
        sizes = torch.stack([surprise / (1 + surprise.abs()), log_sd / 3], dim=1)
        gates = self.cell(torch.cat([x, sizes], dim=1), state.hidden, state.memory)
        told = self.tell(gates.hidden)
        gain = torch.where(begun, told[:, 0].sigmoid(), torch.where(seen, 1.0, 0.0))
        believed = torch.where(begun, state.speed, measured)
        speed = believed + gain * (measured - believed) + SHIFT_MPS * told[:, 1].tanh() * seen
        after = State(gates.hidden, gates.memory, speed, torch.maximum(state.begun, seen.float()))
        return Step(speed, (log_sd + told[:, 2]).clamp(*LOG_SD), gain, gates, after)

    def run(self, features: Tensor, measured: Tensor, log_sd: Tensor) -> list[Step]:
        """Whole videos, [T, N, F] and [T, N]: a step each pair, from the beginning."""
        state, steps = self.begin(features.shape[1]), []
        for row in range(len(features)):
            step: Step = self(features[row], measured[row], log_sd[row], state)
            steps.append(step)
            state = step.state
        return steps
