"""What a prediction of chroma from luma is asked for and answers."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.stats.chroma import Dc, Subsampling
from services.stats.matrices import Matrix
from services.stats.schemas import Number
from shared.bodies import Body
from shared.openapi import Model

Block = Literal[4, 8, 16, 32]
BitDepth = Literal[8, 10, 12]

_Subsampling = Annotated[
    Subsampling,
    Field(
        description="A chroma sample stands for 2 x 2 luma samples (4:2:0), for 2 beside each other (4:2:2) or for one"
    ),
]
_Dc = Annotated[
    Dc,
    Field(description="neighbours: AV1's, from the chroma above and to the left; mean: that of the block itself"),
]
_Prediction = Annotated[bool, Field(description="Answer the predicted planes as well")]


class ChromaOptions(BaseModel):
    """Beside a picture, in the query."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    subsampling: _Subsampling = "4:2:0"
    block: Literal["4", "8", "16", "32"] = Field("16", description="Side of a block, in pixels; 4 with 4:4:4 only")
    dc: _Dc = "neighbours"
    prediction: _Prediction = False


class ChromaRequest(Body):
    """Two planes, as rows of samples."""

    luma: Matrix = Field(description="Rows of whole numbers from 0 to 2^bit_depth - 1")
    chroma: Matrix = Field(
        description="The same for the chroma plane, by `subsampling` half as high or wide, rounded up"
    )
    subsampling: _Subsampling = "4:2:0"
    block: Block = Field(16, description="Side of a block, in luma samples; 4 with 4:4:4 only")
    bit_depth: BitDepth = 8
    dc: _Dc = "neighbours"
    prediction: _Prediction = False


class PlaneAnswer(BaseModel):
    """One entry a block, row by row, where nothing else is said."""

    name: Literal["chroma", "cb", "cr"]
    alpha: list[list[float]] = Field(description="In steps of 1/8, -2..2: what predicts the block best")
    alpha_exact: list[list[Number]] = Field(description="By least squares; null where the luma is flat")
    dc: list[list[int]]
    sse: list[list[int]] = Field(description="Sum of squared errors over the block's samples within the picture")
    sse_dc: list[list[int]] = Field(description="The same of DC alone")
    psnr: Number = Field(description="Of the whole plane, decibels; null where nothing is amiss")
    psnr_dc: Number = Field(description="The same of DC alone")
    prediction: list[list[int]] | None = Field(description="Where it was asked for: every sample")


class ChromaAnswer(BaseModel):
    model: Model
    subsampling: Subsampling
    block: int
    bit_depth: int
    dc: Dc
    width: int = Field(description="Of the luma plane")
    height: int
    rows: int = Field(description="Of blocks")
    columns: int
    planes: list[PlaneAnswer] = Field(description="The one that was given, or of a picture cb and cr")
    warnings: list[str]
