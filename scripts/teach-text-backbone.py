"""Teaches a small transformer some intents of banking77 and writes it as an ONNX backbone, beside examples of the intents
it was not taught: what docs/fine-tuning.md measures unfreezing on with texts.

    python scripts/teach-text-backbone.py --data FOLDER --tokenizer FILE --out OUT

OUT gets model.onnx (three blocks of width 96, last_hidden_state), tokenizer.json, train-10.csv and train-30.csv (as many
questions of each of the other 37 intents, the fewer among the more) and test.csv (all test questions of these). Seeded.

Needs torch, transformers, tokenizers and onnxscript.
"""
import argparse
import csv
import pathlib
import random
import shutil

import torch
from tokenizers import Tokenizer
from transformers import BertConfig, BertModel

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
for name in ("data", "tokenizer", "out"):
    parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
parser.add_argument("--epochs", type=int, default=12)
parser.add_argument("--seed", type=int, default=1)
given = parser.parse_args()
given.out.mkdir(parents=True, exist_ok=True)
random.seed(given.seed)
torch.manual_seed(given.seed)


def read(part):
    with open(given.data / f"{part}.csv", newline="") as file:
        return [(row["text"], row["category"]) for row in csv.DictReader(file)]


def write(name, rows):
    with open(given.out / name, "w", newline="") as file:
        csv.writer(file).writerows([("text", "category"), *rows])


train, test = read("train"), read("test")
intents = sorted({intent for _, intent in train})
random.shuffle(intents)
taught, others = intents[:40], set(intents[40:])
# Of a text that is asked for twice only the first counts.
kept = list(dict(reversed([row for row in train if row[1] in others])).items())
random.shuffle(kept)
by_intent = {intent: [row for row in kept if row[1] == intent] for intent in sorted(others)}
for count in (10, 30):
    write(f"train-{count}.csv", [row for rows in by_intent.values() for row in rows[:count]])
write("test.csv", [row for row in test if row[1] in others])

tokenizer = Tokenizer.from_file(str(given.tokenizer))
tokenizer.enable_truncation(64)
tokenizer.enable_padding()
shutil.copy(given.tokenizer, given.out / "tokenizer.json")


class Backbone(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.bert = BertModel(
            BertConfig(
                vocab_size=tokenizer.get_vocab_size(),
                hidden_size=96,
                num_hidden_layers=3,
                num_attention_heads=4,
                intermediate_size=384,
                max_position_embeddings=64,
                attn_implementation="eager",
            ),
            add_pooling_layer=False,
        )

    def forward(self, input_ids, attention_mask):
        return self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state


def batch_of(texts):
    encoded = tokenizer.encode_batch(texts)
    return torch.tensor([e.ids for e in encoded]), torch.tensor([e.attention_mask for e in encoded])


backbone, head = Backbone(), torch.nn.Linear(96, len(taught))
lessons = [(text, taught.index(intent)) for text, intent in train if intent in taught]
steps = given.epochs * -(-len(lessons) // 32)
optimizer = torch.optim.AdamW([*backbone.parameters(), *head.parameters()], lr=1e-3, weight_decay=0.01)
schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=steps)
for epoch in range(given.epochs):
    random.shuffle(lessons)
    right = 0
    for start in range(0, len(lessons), 32):
        texts, labels = zip(*lessons[start : start + 32])
        ids, mask = batch_of(list(texts))
        mean = (backbone(ids, mask) * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        logits, wanted = head(mean), torch.tensor(labels)
        loss = torch.nn.functional.cross_entropy(logits, wanted)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(backbone.parameters(), 1)
        optimizer.step()
        schedule.step()
        right += (logits.argmax(1) == wanted).sum().item()
    print(f"epoch {epoch + 1}: {right / len(lessons):.3f} of the taught intents", flush=True)

backbone.eval()
torch.onnx.export(
    backbone,
    batch_of(["why", "where is my card"]),
    given.out / "model.onnx",
    input_names=["input_ids", "attention_mask"],
    output_names=["last_hidden_state"],
    dynamic_axes={name: {0: "batch", 1: "tokens"} for name in ("input_ids", "attention_mask", "last_hidden_state")},
    opset_version=17,
    dynamo=False,
)
