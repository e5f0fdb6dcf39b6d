"""The reranker's training: a small cross-encoder learns to tell each question's answer from those mined as its rivals.

It begins as the base model's transformer under a fresh head, and sees every question once, with its own answer and a
few of the texts that the trained bi-encoder ranks highest and that belong to other groups. The loss is the softmax of
each such list: "Rethink Training of BERT Rerankers in Multi-Stage Retrieval Pipeline" (Gao, Dai, Callan 2021, arXiv
2101.08751, localized contrastive estimation), negatives drawn from what the reranker will have before it.

What is held out is in no list. A list's texts either all hold their entries' canonical questions or none does: none
where the question asked is the canonical one, which would otherwise be found by its own words.

The finished weights stay in the run (reranker.pt). A run that was broken off before begins the reranker anew on
`--resume`: it is one epoch, of minutes.
"""

import inspect
import logging
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
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
from trainer.training.loop import Interrupted, native_bf16
from trainer.training.mining import mine

MAX_TOKENS = 256
MINED, DRAWN = 20, 4  # negatives: so many are mined for each question, and so many of them it meets
MOST_LISTS = 20_000  # more questions take hours on a processor, and teach little new
BATCH = 16  # lists
BLOCK_TOKENS = 4096  # of pairs of like length that go through the model together, padding included
LEARNING_RATE, WARMUP, WEIGHT_DECAY = 1e-4, 0.1, 0.01
WEIGHTS = "reranker.pt"
RECORD_EVERY = 10  # steps

log = logging.getLogger("trainer")


@dataclass(frozen=True)
class List:
    """A question and the texts to rank for it; the first is right, no other is."""

    question: str
    texts: tuple[str, ...]


class CrossEncoder(nn.Module):
    """A transformer that reads question and text together, and a head over its first token and its tokens' mean."""

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
        """(pairs, tokens) each -> (pairs,) scores."""
        extra = {"token_type_ids": token_type_ids} if self.typed else {}
        hidden = self.backbone(input_ids, attention_mask=attention_mask, **extra).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * mask).sum(1) / mask.sum(1)
        scores: Tensor = self.head(torch.cat([hidden[:, 0], mean], dim=-1)).squeeze(-1)
        return scores

    def score(self, pairs: Sequence[Tokens]) -> Tensor:
        """(pairs,) float32, with gradients: in blocks of like length, so that little is padded."""
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
    """The run's cross-encoder, trained now unless it is already; None where too little is there to train it on.

    Raises Interrupted, and InputError for a base model that cannot be loaded.
    """
    made = made_of(base, asks_differently(entries, training), recipe.seed)
    finished = run.directory / WEIGHTS
    if finished.is_file():
        made.load_state_dict(torch.load(finished, weights_only=True, map_location="cpu"))
        return made.eval()
    run.update(phase="mining for the reranker")
    bf16 = recipe.bf16 and native_bf16()
    lists = lists_of(bi_encoder, entries, training, recipe, bf16)
    if not lists:
        log.warning("There is nothing to train a reranker on: no question has rivals for its answer.")
        return None
    log.info("Reranker: %d questions to train on, %d texts each", len(lists), 1 + DRAWN)
    train(made, lists, run, recipe.seed, bf16)
    aside = finished.with_name(f"{WEIGHTS}.new")  # torch refuses a leading dot
    torch.save(made.state_dict(), aside)
    durable.move(aside, finished)
    return made


def made_of(base: str, with_question: bool, seed: int) -> CrossEncoder:
    """An untrained cross-encoder of a base model. Raises InputError when that cannot be loaded."""
    encoder = models.load(base)
    tokenizer = Tokenizer.from_str(encoder.tokenizer.backend_tokenizer.to_str())
    return CrossEncoder(models.backbone(encoder), tokenizer, with_question, seed).to(encoder.device)


def asks_differently(entries: Sequence[Entry], training: TrainingSet) -> bool:
    """Whether at least half of the questions trained on are not canonical: only then is it learned what those say."""
    canonical = {normalize(entry.question) for entry in entries}
    answers = {entry.plain_answer for entry in entries}
    asked = [normalize(pair.anchor) not in canonical for pair in training.pairs if pair.positive in answers]
    return 2 * sum(asked) >= max(1, len(asked))


def lists_of(
    bi_encoder: SentenceTransformer, entries: Sequence[Entry], training: TrainingSet, recipe: Recipe, bf16: bool
) -> list[List]:
    """For each question trained on its answer, and some of the answers of other groups that rank highest for it."""
    answers = {entry.plain_answer for entry in entries}
    pairs = sorted((one for one in training.pairs if one.positive in answers), key=lambda one: order(one.anchor, 2))
    heldout = {normalize(one.question) for one in training.heldout}
    titles = {e.plain_answer: e.question for e in reversed(entries) if normalize(e.question) not in heldout}
    canonical = {normalize(entry.question) for entry in entries}
    shown = asks_differently(entries, training)
    mined = mine(bi_encoder, pairs, MINED, recipe.margin, bf16)
    draws = random.Random(recipe.seed)  # noqa: S311 - no secret
    lists = []
    for pair, found in zip(pairs[:MOST_LISTS], mined.mined, strict=False):
        drawn = draws.sample(found, min(DRAWN, len(found)))
        titled = shown and normalize(pair.anchor) not in canonical
        texts = [pair.positive, *(mined.candidates[one][0] for one in drawn)]
        if drawn:
            lists.append(List(pair.anchor, tuple(candidate_text(titles.get(one, ""), one, titled) for one in texts)))
    return lists


def train(made: CrossEncoder, lists: Sequence[List], run: Run, seed: int, bf16: bool) -> None:
    """One epoch, in place. Raises Interrupted at the end of the step during which somebody asked."""
    steps = math.ceil(len(lists) / BATCH)
    optimizer = torch.optim.AdamW(made.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = _schedule(optimizer, steps)
    torch.manual_seed(seed)
    run.update(phase="training the reranker", step=0, steps=steps)
    asked: list[bool] = []
    made.train()
    with _progress() as progress, stopping(lambda: asked.append(True)):
        task = progress.add_task("reranker", total=steps)
        for step, batch in enumerate(_batches(lists, seed), start=1):
            optimizer.zero_grad()
            value = loss(made, batch, bf16)
            value.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(made.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            run.update(step=step)
            progress.update(task, completed=step)
            if step % RECORD_EVERY == 0 or step == steps:
                run.record(reranker_step=step, reranker_loss=value.item())  # not `step`: no curve of the run
                progress.update(task, description=f"reranker, loss {value.item():.3f}")
            if asked:
                raise Interrupted(
                    f"Interrupted. Begin the reranker again with: python -m trainer fit --resume {run.directory}"
                )
    made.eval()


def loss(made: CrossEncoder, batch: Sequence[List], bf16: bool) -> Tensor:
    """The mean cross-entropy of the lists' first texts, a scalar."""
    pairs = [pair for one in batch for pair in made.reader.tokenize(one.question, one.texts)]
    device = next(made.parameters()).device
    with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        scores = made.score(pairs)
    sizes = [len(one.texts) for one in batch]
    rows = nn.utils.rnn.pad_sequence(list(torch.split(scores, sizes)), batch_first=True, padding_value=-torch.inf)
    return nn.functional.cross_entropy(rows, torch.zeros(len(batch), dtype=torch.int64, device=device))


def _schedule(optimizer: torch.optim.Optimizer, steps: int) -> LambdaLR:
    """Up over the first steps, then down to nothing."""
    up = math.ceil(WARMUP * steps)
    return LambdaLR(optimizer, lambda step: min((step + 1) / (up + 1), (steps - step) / max(1, steps - up)))


def _blocks(pairs: Sequence[Tokens]) -> Iterator[list[int]]:
    """Positions of the pairs, shortest first, cut into blocks."""
    block: list[int] = []
    for i in sorted(range(len(pairs)), key=lambda i: len(pairs[i].ids)):
        if block and len(pairs[i].ids) * (len(block) + 1) > BLOCK_TOKENS:
            yield block
            block = []
        block.append(i)
    yield block


def _batches(lists: Sequence[List], seed: int) -> Iterator[list[List]]:
    shuffled = sorted(lists, key=lambda one: order(one.question, seed))
    for start in range(0, len(shuffled), BATCH):
        yield shuffled[start : start + BATCH]


def _progress() -> Progress:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    return Progress(*columns, console=Console(stderr=True))
