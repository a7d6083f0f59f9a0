"""Information over HTTP."""

from typing import Annotated, cast

from fastapi import APIRouter, Depends, Request, Response

from services.text import examples
from services.text import information_answers as answers
from services.text.corpora import Corpora
from services.text.corpus_routes import FRESH, CorporaDep
from services.text.information_answers import Scored
from services.text.information_schemas import (
    InformationRequest,
    InformationResponse,
    RankingRequest,
    RankingResponse,
    ScoringRequest,
)
from services.text.routes import JSON, SettingsDep
from services.text.settings import TextSettings
from services.text.trends import Trends
from shared.bodies import JsonBody
from shared.context import current_context
from shared.openapi import CACHEABLE, json_request, problems
from shared.workers import Workers, WorkersDep

SCORED = {"unigram": 5_000, "ngram": 1_500, "compression": 40}
"""So many texts to score count in the queue as one computation more."""

router = APIRouter(prefix="/v1/text/information", tags=["text"])


async def _trends(request: Request) -> Trends:
    return cast(Trends, request.app.state.trends)


TrendsDep = Annotated[Trends, Depends(_trends)]


@router.post(
    "",
    summary="How much each text says, in bits",
    description="""Rank by `bits`, the total: the mean per word puts a rare "uh-huh" above a sentence of substance.

`unigram`: with c(w) the count of word w in the corpus, N its words, a the smoothing and V its types plus one for all
words that it lacks

    p(w) = (c(w) + a) / (N + a V)      bits(w) = -log2 p(w)      bits(text) = sum over its words

`ngram`: each word, and the end of the text, after the two words before it, by interpolated modified Kneser-Ney (Chen
and Goodman 1999). It knows filler best; `unigram` ranks content best. `compression`: by how many bits DEFLATE makes the
corpus longer; it looks back 32 KB.

Without `corpus` the texts are their own, and each is scored against the others: its own counts are taken out. With
`corpus` nothing is taken out of it for the scores, while its own texts are compared without themselves for the
percentile. A corpus that is used often is kept once (/v1/text/corpora) and named by `corpus_id`.

`background: "spoken"` mixes in b(w), the frequencies of general English by the package wordfreq (large list: 320,000
words out of subtitles, social media, web, news, books and Wikipedia; each word that it does not list has the share of
its rarest, one in 100 million; fillers, which writing leaves out, 2 in 100). With l = `background_weight`:
p(w) = (1 - l) p_corpus(w) + l b(w), where what the corpus sets aside for words it lacks goes to them as b says.

Words are runs of letters and digits with inner apostrophes, case folded; `[crosstalk 00:58:01]` and the like are not
read; mm, hmm, uh, um, er, ah, huh and yeah count as one word, `<filler>`, and as one where a hyphen joins them;
"soooo" counts as "soo". `entropy_bits` = - sum f log2 f with f = c/N is the mean surprisal of the corpus's words
without smoothing.""",
    response_model=InformationResponse,
    responses=problems(404, 415, 422),
    openapi_extra={**CACHEABLE, **json_request(InformationRequest, examples.INFORMATION)},
)
async def score_information(
    settings: SettingsDep,
    workers: WorkersDep,
    corpora: CorporaDep,
    body: Annotated[InformationRequest, JsonBody(InformationRequest)],
) -> Response:
    scored, lasting = await _scored(body, settings, workers, corpora)
    content = await workers.run(answers.information_answer, body, scored)
    return Response(content, headers={} if lasting else FRESH, media_type=JSON)


@router.post(
    "/ranking",
    summary="The most and the least informative texts, and whether information rises or falls",
    description="""Scores as /v1/text/information has them, ranked by total bits; texts without words are left out. For
`over_time` texts of the same time are one, by the mean of their bits, and `trend` is what the stats service says of
that series (Mann-Kendall test, Sen's slope). Without stats the rest is answered, with a warning.""",
    response_model=RankingResponse,
    responses=problems(404, 415, 422),
    openapi_extra={**CACHEABLE, **json_request(RankingRequest, examples.RANKING)},
)
async def rank_texts(
    settings: SettingsDep,
    workers: WorkersDep,
    corpora: CorporaDep,
    trends: TrendsDep,
    body: Annotated[RankingRequest, JsonBody(RankingRequest)],
) -> Response:
    scored, lasting = await _scored(body, settings, workers, corpora)
    over_time = await workers.run(answers.course, body, scored.scores)
    told = await trends.of(over_time, current_context.get())
    content = await workers.run(answers.ranking_answer, body, scored, over_time, told.trend, told.warning)
    return Response(content, headers={} if lasting and not told.away else FRESH, media_type=JSON)


async def _scored(
    body: ScoringRequest, settings: TextSettings, workers: Workers, corpora: Corpora
) -> tuple[Scored, bool]:
    """And whether the same request will have the same answer."""
    answers.check_scoring(body, settings)
    context = current_context.get()
    check = context.check if context else lambda: None
    cost = 1 + (len(body.texts) + len(body.corpus or ())) / SCORED[body.estimator]
    if body.corpus_id is None:
        return await workers.run_costing(cost, answers.score, body, settings, check), True
    documents = await workers.run(answers.documents_of, body.texts, settings.max_words)
    method = await workers.run(answers.method_of, body)
    reference, lasting = await corpora.reference(body.corpus_id, method, check)
    scored = await workers.run_costing(cost, answers.score_against, body, documents, reference, check)
    return scored, lasting
