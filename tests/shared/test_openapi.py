import warnings

from tests.shared.echo import echo_app

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from openapi_spec_validator import validate


def test_the_document_is_valid_and_complete() -> None:
    document = echo_app().openapi()
    validate(document)
    operation = document["paths"]["/sum"]["post"]
    media = operation["requestBody"]["content"]["application/json"]
    assert media["schema"] == {"$ref": "#/components/schemas/Numbers"}
    assert media["examples"]["two"]["value"] == {"x": [1, 2]}
    assert operation["x-vernier-cacheable"] is True
    assert document["components"]["schemas"]["Numbers"]["properties"]["x"]["minItems"] == 1
    assert set(operation["responses"]) == {"200", "400", "413", "422", "503", "504"}
    assert "application/problem+json" in operation["responses"]["422"]["content"]


def test_no_schema_of_the_framework_is_left() -> None:
    document = echo_app().openapi()
    assert "HTTPValidationError" not in str(document)
    assert "ValidationError" not in str(document)
