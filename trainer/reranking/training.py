"""Trains the reranker: a small cross-encoder that tells the answer to a question from hard negatives.

The model is the base model's transformer with a new head. It sees every question once, in a list of its answer and some
of the texts of other groups that the trained bi-encoder ranks highest. The loss is the cross-entropy of each list:
"Rethink Training of BERT Rerankers in Multi-Stage Retrieval Pipeline" (Gao, Dai, Callan 2021, arXiv 2101.08751,
localized contrastive estimation).

No list contains held-out text. The texts of a list either all start with the canonical question of their entry, or none
does: none if the question is a canonical one, because it would be found by its own words.

The final weights stay in the run (reranker.pt). A run that was interrupted earlier trains the reranker from the start
on `--resume`; the training is one epoch, of minutes.
"""

import inspect
import logging
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from sentence_transformers import SentenceTransformer
from tokenizers import Encoding as Tokens
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from transformers import PreTrainedModel

from app import durable
from app.knowledge.entry import Entry
from app.ranking.reranker import PairTokenizer, candidate_text, padded
from app.text.normalize import normalize
from trainer.data.training_set import TrainingSet, order
from trainer.recipes import Recipe
from trainer.runs import Run
from trainer.training import model as models
from trainer.training.callbacks import stopping
from trainer.training.loop import Interrupted, native_bf16, progress_bar
from trainer.training.mining import mine

MAX_TOKENS = 256
MINED, DRAWN = 20, 4  # negatives mined for each question, and drawn from them for its list
MOST_LISTS = 20_000  # more questions take hours on a CPU, and add little
BATCH = 16  # lists
BLOCK_TOKENS = 4096  # of a block of pairs of similar length, with padding
LEARNING_RATE, WARMUP, WEIGHT_DECAY = 1e-4, 0.1, 0.01
WEIGHTS = "reranker.pt"
RECORD_EVERY = 10  # steps

log = logging.getLogger("trainer")


@dataclass(frozen=True)
class RankingList:
    """A question and the texts to rank for it. The first text is the answer, and the others are negatives."""

    question: str
    texts: tuple[str, ...]


class CrossEncoder(nn.Module):
    """A transformer that reads question and text together, with a head on its first token and its mean token."""

    def __init__(self, backbone: PreTrainedModel, tokenizer: Tokenizer, with_question: bool, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.backbone = backbone
        width = int(backbone.config.hidden_size)
        self.head = nn.Sequential(nn.Dropout(0.1), nn.Linear(2 * width, width), nn.Tanh(), nn.Linear(width, 1))
        typed = "token_type_ids" in inspect.signature(backbone.forward).parameters
        self.typed = typed and getattr(backbone.config, "type_vocab_size", 0) > 1
        self.max_tokens = min(MAX_TOKENS, int(backbone.config.max_position_embeddings))
        self.with_question = with_question
        self.reader = PairTokenizer(tokenizer, self.max_tokens)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
        """The scores, (pairs,), of inputs of (pairs, tokens) each."""
        extra = {"token_type_ids": token_type_ids} if self.typed else {}
        hidden = self.backbone(input_ids, attention_mask=attention_mask, **extra).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * mask).sum(1) / mask.sum(1)
        scores: Tensor = self.head(torch.cat([hidden[:, 0], mean], dim=-1)).squeeze(-1)
        return scores

    def score(self, pairs: Sequence[Tokens]) -> Tensor:
        """The scores, (pairs,) float32 with gradients, computed in blocks of similar length to save padding."""
        device = next(self.parameters()).device
        blocks, scores = list(_blocks(pairs)), []
        for block in blocks:
            feed = padded([pairs[i] for i in block])
            scores.append(self(**{name: torch.from_numpy(value).to(device) for name, value in feed.items()}))
        by_length = torch.tensor([i for block in blocks for i in block], device=device)
        return torch.cat(scores).float()[by_length.argsort()]


def fitted(
    run: Run,
    bi_encoder: SentenceTransformer,
    base: str,
    entries: Sequence[Entry],
    training: TrainingSet,
    recipe: Recipe,
) -> CrossEncoder | None:
    """The run's cross-encoder, trained now unless the run has it; None if there is too little data.

    Raises Interrupted, and InputError for a base model that cannot be loaded.
    """
    model = untrained(base, asks_differently(entries, training), recipe.seed)
    finished = run.directory / WEIGHTS
    if finished.is_file():
        model.load_state_dict(torch.load(finished, weights_only=True, map_location="cpu"))
        return model.eval()
    run.update(phase="mining for the reranker")
    bf16 = recipe.bf16 and native_bf16()
    lists = lists_of(bi_encoder, entries, training, recipe, bf16)
    if not lists:
        log.warning("No reranker is trained: no question has negatives to train on.")
        return None
    log.info("Reranker: %d questions to train on, with %d texts each", len(lists), 1 + DRAWN)
    train(model, lists, run, recipe.seed, bf16)
    temporary = finished.with_name(f"{WEIGHTS}.new")  # torch refuses a leading dot
    torch.save(model.state_dict(), temporary)
    durable.move(temporary, finished)
    return model


def untrained(base: str, with_question: bool, seed: int) -> CrossEncoder:
    """An untrained cross-encoder of a base model. Raises InputError if the base model cannot be loaded."""
    encoder = models.load(base)
    tokenizer = Tokenizer.from_str(encoder.tokenizer.backend_tokenizer.to_str())
    return CrossEncoder(models.backbone(encoder), tokenizer, with_question, seed).to(encoder.device)


def asks_differently(entries: Sequence[Entry], training: TrainingSet) -> bool:
    """Whether at least half of the training questions are not canonical; only then lists show canonical questions."""
    canonical = {normalize(entry.question) for entry in entries}
    answers = {entry.plain_answer for entry in entries}
    differs = [normalize(pair.anchor) not in canonical for pair in training.pairs if pair.positive in answers]
    return 2 * sum(differs) >= max(1, len(differs))


def lists_of(
    bi_encoder: SentenceTransformer, entries: Sequence[Entry], training: TrainingSet, recipe: Recipe, bf16: bool
) -> list[RankingList]:
    """For each training question a list of its answer and of answers of other groups that rank high for it."""
    answers = {entry.plain_answer for entry in entries}
    pairs = sorted(
        (pair for pair in training.pairs if pair.positive in answers), key=lambda pair: order(pair.anchor, 2)
    )
    heldout = {normalize(question.question) for question in training.heldout}
    titles = {
        entry.plain_answer: entry.question for entry in reversed(entries) if normalize(entry.question) not in heldout
    }
    canonical = {normalize(entry.question) for entry in entries}
    shown = asks_differently(entries, training)
    mined = mine(bi_encoder, pairs, MINED, recipe.margin, bf16)
    draws = random.Random(recipe.seed)  # noqa: S311 - no secret
    lists = []
    for pair, negatives in zip(pairs[:MOST_LISTS], mined.mined, strict=False):
        drawn = draws.sample(negatives, min(DRAWN, len(negatives)))
        titled = shown and normalize(pair.anchor) not in canonical
        texts = [pair.positive, *(mined.candidates[position][0] for position in drawn)]
        if drawn:
            lists.append(
                RankingList(pair.anchor, tuple(candidate_text(titles.get(text, ""), text, titled) for text in texts))
            )
    return lists


def train(model: CrossEncoder, lists: Sequence[RankingList], run: Run, seed: int, bf16: bool) -> None:
    """Train one epoch, in place. Raises Interrupted after the step during which a stop was requested."""
    steps = math.ceil(len(lists) / BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = _schedule(optimizer, steps)
    torch.manual_seed(seed)
    run.update(phase="training the reranker", step=0, steps=steps)
    stop_requests: list[bool] = []
    model.train()
    with progress_bar() as progress, stopping(lambda: stop_requests.append(True)):
        task = progress.add_task("reranker", total=steps)
        for step, batch in enumerate(_batches(lists, seed), start=1):
            optimizer.zero_grad()
            value = loss(model, batch, bf16)
            value.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            run.update(step=step)
            progress.update(task, completed=step)
            if step % RECORD_EVERY == 0 or step == steps:
                run.record(
                    reranker_step=step, reranker_loss=value.item()
                )  # not `step`, which the plots of the run show
                progress.update(task, description=f"reranker, loss {value.item():.3f}")
            if stop_requests:
                raise Interrupted(
                    f"Interrupted. Train the reranker again with: python -m trainer fit --resume {run.directory}"
                )
    model.eval()


def loss(model: CrossEncoder, batch: Sequence[RankingList], bf16: bool) -> Tensor:
    """The mean cross-entropy over the lists, with the first text of each as the target; a scalar."""
    pairs = [pair for example in batch for pair in model.reader.tokenize(example.question, example.texts)]
    device = next(model.parameters()).device
    with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        scores = model.score(pairs)
    sizes = [len(example.texts) for example in batch]
    rows = nn.utils.rnn.pad_sequence(list(torch.split(scores, sizes)), batch_first=True, padding_value=-torch.inf)
    return nn.functional.cross_entropy(rows, torch.zeros(len(batch), dtype=torch.int64, device=device))


def _schedule(optimizer: torch.optim.Optimizer, steps: int) -> LambdaLR:
    """A linear warmup, then a linear decay to 0."""
    up = math.ceil(WARMUP * steps)
    return LambdaLR(optimizer, lambda step: min((step + 1) / (up + 1), (steps - step) / max(1, steps - up)))


def _blocks(pairs: Sequence[Tokens]) -> Iterator[list[int]]:
    """The positions of the pairs in blocks, shortest first."""
    block: list[int] = []
    for i in sorted(range(len(pairs)), key=lambda i: len(pairs[i].ids)):
        if block and len(pairs[i].ids) * (len(block) + 1) > BLOCK_TOKENS:
            yield block
            block = []
        block.append(i)
    yield block


def _batches(lists: Sequence[RankingList], seed: int) -> Iterator[list[RankingList]]:
    shuffled = sorted(lists, key=lambda example: order(example.question, seed))
    for start in range(0, len(shuffled), BATCH):
        yield shuffled[start : start + BATCH]
