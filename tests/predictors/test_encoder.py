import pytest
import torch

from tart_nas.predictors.encoder import EncoderSettings, TokenEncoder


@pytest.mark.parametrize("relations", [0, 3])
def test_padding_has_no_effect(relations):
    encoder = TokenEncoder(EncoderSettings(width=16), relations).eval()
    tokens, relation = torch.randn(2, 9, 16), torch.randint(relations, (2, 9, 9)) if relations else None
    mask = torch.arange(9) < torch.tensor([[9], [5]])
    with torch.inference_mode():
        encoded = encoder(tokens, mask, relation)
        alone = encoder(tokens[1:, :5], mask[1:, :5], None if relation is None else relation[1:, :5, :5])
        tokens[1, 5:] = 100.0
        again = encoder(tokens, mask, relation)
    torch.testing.assert_close(alone, encoded[1:], atol=1e-5, rtol=0)
    torch.testing.assert_close(again, encoded, atol=1e-5, rtol=0)
