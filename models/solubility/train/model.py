"""The network: a character CNN that gives a value and an interval.

Tokens are embedded and read by windows of 1, 3, 5 and 7 tokens; a second
layer of width 3 reads the windows. Both layers are pooled over the molecule
(log of the sum: how much of it there is; maximum: whether it is there), and
two dense layers turn that into the value and its distances to the lower and
the upper quantile. softplus keeps the distances positive, so that
low <= mid <= high holds by construction.

Padding is masked before and after each convolution: a row's answer does not
depend on the rows beside it.
"""

import torch
from torch import nn
from torch.nn import functional

EMBED = 48
CHANNELS = 48
WINDOWS = (1, 3, 5, 7)
SECOND = 96
HIDDEN = 112


class Member(nn.Module):
    """One network; answers (value, distance down, distance up), standardised."""

    def __init__(self, vocab_size, dropout=0.15):
        super().__init__()
        wide = CHANNELS * len(WINDOWS)
        self.embed = nn.Embedding(vocab_size, EMBED)
        self.first = nn.ModuleList(
            nn.Conv1d(EMBED, CHANNELS, w, padding=w // 2) for w in WINDOWS
        )
        self.second = nn.Conv1d(wide, SECOND, 3, padding=1)
        self.hidden = nn.Linear(2 * (wide + SECOND), HIDDEN)
        self.head = nn.Linear(HIDDEN, 3)
        self.dropout = nn.Dropout(dropout)

    def forward(self, input_ids, mask):
        # mask [b, 1, l]
        x = self.embed(input_ids).transpose(1, 2) * mask
        a = torch.cat([torch.relu(conv(x)) for conv in self.first], 1) * mask
        b = torch.relu(self.second(self.dropout(a))) * mask
        both = torch.cat([a, b], 1)  # [b, wide + second, l], all >= 0
        pooled = torch.cat([torch.log(both.sum(2) + 1.0), both.amax(2)], 1)
        hidden = torch.relu(self.hidden(self.dropout(pooled)))
        out = self.head(self.dropout(hidden))
        return out[:, 0:1], functional.softplus(out[:, 1:3])


class Ensemble(nn.Module):
    """The exported graph: mean of the members, calibrated, in log10(mol/L)."""

    def __init__(self, members, mean, scale, widen):
        super().__init__()
        self.members = nn.ModuleList(members)
        self.mean, self.scale, self.widen = mean, scale, widen

    def forward(self, input_ids, attention_mask):
        mask = attention_mask.to(torch.float32).unsqueeze(1)
        mid, gaps = self.members[0](input_ids, mask)
        for member in self.members[1:]:
            other_mid, other_gaps = member(input_ids, mask)
            mid, gaps = mid + other_mid, gaps + other_gaps
        share = self.scale / len(self.members)
        mid = mid * share + self.mean
        gaps = gaps * share + self.widen
        # A negative correction must not turn the interval inside out.
        gaps = torch.relu(gaps)
        return torch.cat([mid - gaps[:, 0:1], mid, mid + gaps[:, 1:2]], 1)
