import pytest
import torch
from torch import nn

from tart_nas.encoders.token_encoder import EncoderSettings, TokenEncoder

MASK = torch.arange(9) < torch.tensor([[9], [5], [1]])


def encoder_of(relations, **settings):
    """An encoder of random weights, whose relations have no effect."""
    encoder = TokenEncoder(EncoderSettings(width=16, **settings), relations)
    for name, parameter in encoder.named_parameters():
        nn.init.normal_(parameter, std=0.3)
        if ".bias.weight" in name:
            nn.init.zeros_(parameter)
    return encoder


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


@pytest.mark.parametrize("relations", [0, 1])
def test_it_is_the_pre_norm_encoder_of_pytorch(relations):
    encoder = encoder_of(relations, layers=3).eval()
    layer = nn.TransformerEncoderLayer(16, 4, 32, activation="gelu", batch_first=True, norm_first=True)
    norm = nn.LayerNorm(16)
    reference = nn.TransformerEncoder(layer, 3, norm, enable_nested_tensor=False).eval()
    with torch.no_grad():
        for block, own in zip(reference.layers, encoder.blocks, strict=True):
            block.self_attn.in_proj_weight.copy_(torch.cat((own.query.weight, own.key_value.weight)))
            block.self_attn.in_proj_bias.copy_(torch.cat((own.query.bias, own.key_value.bias)))
            block.self_attn.out_proj.load_state_dict(own.output.state_dict())
            for theirs, ours in [("linear1", "expand"), ("linear2", "contract"), ("norm1", "attention_norm")]:
                getattr(block, theirs).load_state_dict(getattr(own, ours).state_dict())
            block.norm2.load_state_dict(own.mlp_norm.state_dict())
        norm.load_state_dict(encoder.norm.state_dict())
        tokens = torch.randn(3, 9, 16)
        sequences = torch.cat((encoder.graph.expand(3, 1, 16), tokens), dim=1)
        expected = reference(sequences, src_key_padding_mask=~nn.functional.pad(MASK, (1, 0), value=True))[:, 0]
        encoded = encoder(tokens, MASK, torch.zeros(3, 9, 9, dtype=torch.int64) if relations else None)
    torch.testing.assert_close(encoded, expected, atol=1e-5, rtol=1e-5)


def test_packed_sequences_are_fitted_as_padded_ones():
    packed, padded = encoder_of(0), encoder_of(1)
    padded.load_state_dict(packed.state_dict(), strict=False)
    tokens, outputs = torch.randn(3, 9, 16), []
    for encoder, relation in [(packed, None), (padded, torch.zeros(3, 9, 9, dtype=torch.int64))]:
        torch.manual_seed(0)  # of dropout
        outputs.append(encoder(tokens, MASK, relation))
        outputs[-1].square().sum().backward()
    torch.testing.assert_close(outputs[0], outputs[1], atol=1e-5, rtol=1e-5)
    assert not torch.equal(packed.eval()(tokens, MASK), outputs[0])  # dropout was at work
    for name, parameter in packed.named_parameters():
        torch.testing.assert_close(parameter.grad, padded.get_parameter(name).grad, atol=1e-4, rtol=1e-4)
