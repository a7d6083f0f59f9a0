"""The protocol's documents, for the OpenAPI page."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from shared.inference.types import DATATYPES

Parameters = dict[str, str | int | float | bool]
_DATATYPE = Field(json_schema_extra={"enum": list(DATATYPES)})


class Tensor(BaseModel):
    """`data` flat or nested in row-major order; in the binary extension `parameters.binary_data_size` instead."""

    name: str
    shape: list[int] = Field(description="Sizes from 0")
    datatype: str = _DATATYPE
    parameters: Parameters | None = None
    data: list[Any] | None = None


class RequestedOutput(BaseModel):
    name: str
    parameters: Parameters | None = Field(None, description="`binary_data`: true or false")


class InferenceRequest(BaseModel):
    """Open Inference Protocol v2."""

    id: str | None = Field(None, description="Comes back in the answer")
    parameters: Parameters | None = Field(
        None,
        description="`binary_data_output`: all outputs in binary; `timeout`: microseconds, shortens the deadline; "
        "`priority` is taken and does nothing; the model's own besides",
    )
    inputs: list[Tensor] = Field(min_length=1)
    outputs: list[RequestedOutput] | None = Field(None, description="Without them all outputs")


class InferenceResponse(BaseModel):
    model_name: str
    model_version: str
    id: str | None = Field(None, description="The request's; absent where it had none")
    outputs: list[Tensor]


class TensorMetadata(BaseModel):
    name: str
    datatype: str = _DATATYPE
    shape: list[int] = Field(description="-1: of any size")
    optional: bool | None = None


class ModelIdentity(BaseModel):
    name: str
    version: str
    sha256: str


class ModelMetadata(BaseModel):
    name: str
    versions: list[str] = Field(description="Those that are loaded, the one that answers by default first")
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]
    model: ModelIdentity = Field(description="The version described")


class ModelReady(BaseModel):
    name: str
    ready: bool


class ModelList(BaseModel):
    models: list[str]


class ServerMetadata(BaseModel):
    name: str
    version: str
    extensions: list[str]


class Duration(BaseModel):
    count: int
    ns: int


class InferenceStatistics(BaseModel):
    success: Duration
    fail: Duration
    queue: Duration
    compute_input: Duration
    compute_infer: Duration
    compute_output: Duration
    cache_hit: Duration
    cache_miss: Duration


class BatchStatistics(BaseModel):
    batch_size: int
    compute_infer: Duration


class ModelStatistics(BaseModel):
    """As Triton's statistics extension."""

    name: str
    version: str
    last_inference: int = Field(description="Milliseconds since the epoch; 0 before the first")
    inference_count: int = Field(description="Items")
    execution_count: int = Field(description="Runs")
    inference_stats: InferenceStatistics
    batch_stats: list[BatchStatistics]


class Statistics(BaseModel):
    model_stats: list[ModelStatistics]


class IndexRequest(BaseModel):
    ready: bool = Field(False, description="Only what is loaded")


class IndexEntry(BaseModel):
    name: str
    version: str
    state: str = Field(json_schema_extra={"enum": ["READY", "UNAVAILABLE"]})
    reason: str = Field(description="Why it is not loaded")


class Control(BaseModel):
    parameters: dict[str, Any] | None = Field(None, description="`version`: that one alone")


class Loaded(BaseModel):
    model_config = ConfigDict(extra="allow")

    name: str
    versions: list[str] = Field(description="Those that are loaded now")
