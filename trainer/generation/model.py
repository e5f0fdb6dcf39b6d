"""A question generator made of the base encoder alone: it reads a passage and asks what the passage answers.

Encoder and decoder both begin as the base model's BERT ("Leveraging Pre-trained Checkpoints for Sequence Generation
Tasks", Rothe et al. 2020, arXiv 1907.12461, BERT2BERT), the decoder with a causal mask; its cross-attention begins as
a copy of its self-attention, and all word embeddings, the output's among them, are one table. A few thousand pairs
teach such a model the forms of questions but no vocabulary, so that it may also copy: a gate mixes the words of the
vocabulary with those of the passage ("Get To The Point: Summarization with Pointer-Generator Networks", See et al.
2017, arXiv 1704.04368, without coverage).
"""

import math
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertLMHeadModel,
    BertModel,
    EncoderDecoderConfig,
    EncoderDecoderModel,
    PreTrainedTokenizerBase,
)
from transformers.cache_utils import Cache
from transformers.modeling_outputs import Seq2SeqLMOutput
from transformers.utils.generic import ModelOutput

from app.errors import InputError
from trainer import model as models

PASSAGE_TOKENS, QUESTION_TOKENS = 160, 24
IGNORED = -100  # a label that does not count
GATE = -1.0  # the gate's bias at the beginning: rather a word of the vocabulary


class QuestionGenerator(EncoderDecoderModel):  # type: ignore[no-untyped-call]  # transformers registers it
    """BERT to BERT, with copying. `decoder_source_ids` are the passage's token ids, (batch, source)."""

    _tied_weights_keys = {  # noqa: RUF012  # transformers' own attribute
        "decoder.bert.embeddings.word_embeddings.weight": "encoder.embeddings.word_embeddings.weight"
    }
    encoder: BertModel
    decoder: BertLMHeadModel

    def __init__(
        self,
        config: EncoderDecoderConfig | None = None,
        encoder: BertModel | None = None,
        decoder: BertLMHeadModel | None = None,
    ) -> None:
        if encoder is None and config is not None:
            encoder = BertModel(cast(BertConfig, config.encoder), add_pooling_layer=False)
        super().__init__(config, encoder, decoder)
        width = self.decoder.config.hidden_size
        self.copy_query = nn.Linear(width, width, bias=False)
        self.copy_gate = nn.Linear(width, 1)
        nn.init.eye_(self.copy_query.weight)
        nn.init.zeros_(self.copy_gate.weight)
        nn.init.constant_(self.copy_gate.bias, GATE)

    def forward(  # the parameters are those that `generate` gives
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        encoder_outputs: ModelOutput | None = None,
        past_key_values: Cache | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        decoder_source_ids: Tensor | None = None,
        label_smoothing: float = 0.0,
        **_: object,
    ) -> Seq2SeqLMOutput:
        """With labels, (batch, target), the mean loss of a word; else the log-probability of every next word."""
        if encoder_outputs is None:
            encoder_outputs = self.encoder(input_ids=input_ids, attention_mask=attention_mask)
        memory: Tensor = encoder_outputs[0]  # (batch, source, width)
        source = cast(Tensor, input_ids if decoder_source_ids is None else decoder_source_ids)
        decoded = self.decoder.bert(
            input_ids=decoder_input_ids,
            attention_mask=decoder_attention_mask,
            encoder_hidden_states=memory,
            encoder_attention_mask=attention_mask,
            past_key_values=past_key_values,
            use_cache=use_cache,
        )
        hidden = decoded.last_hidden_state  # (batch, target, width)
        copied = self._copied(hidden, memory, source)  # (batch, target, source)
        gate = self.copy_gate(hidden).float()  # (batch, target, 1)
        if labels is not None:
            return Seq2SeqLMOutput(loss=self._loss(hidden, copied, gate, source, labels, label_smoothing))
        words = self.decoder.cls(hidden).float().log_softmax(dim=-1) + logsigmoid(-gate)  # (batch, target, vocabulary)
        places = source[:, None, :].expand_as(copied)
        known = torch.zeros_like(words).scatter_add(2, places, copied.exp()).clamp_min(1e-30).log() + logsigmoid(gate)
        return Seq2SeqLMOutput(
            logits=torch.logaddexp(words, known),
            past_key_values=decoded.past_key_values,
            encoder_last_hidden_state=memory,
        )

    def _copied(self, hidden: Tensor, memory: Tensor, source: Tensor) -> Tensor:
        """The log-probability of copying each word of the source, special tokens excepted; (batch, target, source)."""
        scores = self.copy_query(hidden) @ memory.transpose(1, 2) / math.sqrt(memory.shape[-1])
        words = source[:, None, :]
        special = torch.zeros_like(words, dtype=torch.bool)
        for token in (self.config.pad_token_id, self.config.decoder_start_token_id, self.config.eos_token_id):
            special |= words == token
        copied: Tensor = scores.float().masked_fill(special, -1e4).log_softmax(dim=-1)
        return copied

    def _loss(
        self, hidden: Tensor, copied: Tensor, gate: Tensor, source: Tensor, labels: Tensor, smoothing: float
    ) -> Tensor:
        """Of the labels alone, so that padding never meets the vocabulary."""
        counted = labels != IGNORED  # (batch, target)
        right = labels[counted]  # (words,)
        logits = self.decoder.cls(hidden[counted]).float()  # (words, vocabulary)
        total = logits.logsumexp(dim=-1)
        opened = gate[counted].squeeze(-1)
        word = logits.gather(1, right[:, None]).squeeze(1) - total + logsigmoid(-opened)
        same = source[:, None, :] == labels[:, :, None]  # (batch, target, source)
        here = copied.masked_fill(~same, -1e4).logsumexp(dim=-1)[counted] + logsigmoid(opened)
        loss = -torch.logaddexp(word, here)
        smoothed: Tensor = ((1 - smoothing) * loss + smoothing * (total - logits.mean(dim=-1))).mean()
        return smoothed


def warm_started(base: str, seed: int) -> tuple[QuestionGenerator, PreTrainedTokenizerBase]:
    """A generator that begins as the encoder of that name. Raises InputError for one that is no BERT."""
    loaded = models.load(base, "cpu")
    bert = models.backbone(loaded)
    if bert.config.model_type != "bert":
        raise InputError(f"A generator begins as a BERT; `{base}` is of the type {bert.config.model_type}.", "base")
    torch.manual_seed(seed)
    encoder_config, decoder_config = (cast(BertConfig, deepcopy(bert.config)) for _ in range(2))
    decoder_config.update({"is_decoder": True, "add_cross_attention": True})
    both = cast(EncoderDecoderConfig, EncoderDecoderConfig.from_encoder_decoder_configs(encoder_config, decoder_config))
    tokenizer = loaded.tokenizer
    both.update({"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.sep_token_id})
    both.update({"decoder_start_token_id": tokenizer.cls_token_id, "tie_word_embeddings": True})
    encoder, decoder = BertModel(encoder_config, add_pooling_layer=False), BertLMHeadModel(decoder_config)
    for part in (encoder, decoder.bert):
        part.load_state_dict(bert.state_dict(), strict=False)
    layers: Any = decoder.bert.encoder.layer
    for layer in layers:
        layer.crossattention.load_state_dict(layer.attention.state_dict())
    return QuestionGenerator(both, encoder, decoder), tokenizer


def load(directory: Path) -> tuple[QuestionGenerator, PreTrainedTokenizerBase]:
    """What a run of the recipe `generator` has saved, in evaluation mode."""
    return QuestionGenerator.from_pretrained(directory).train(False), AutoTokenizer.from_pretrained(directory)
