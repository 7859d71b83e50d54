//! A tokenizer learned from texts (Sennrich et al. 2016): the most frequent pair of neighbours becomes a token,
//! again and again.

use super::tokenizer::{Tokenizer, byte_letters};
use crate::PolicyError;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The first tokens, as SmolLM2 has them: unknown, beginning, and end, which is also padding.
pub const SPECIAL: [&str; 3] = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];
/// The last tokens: the marks of SmolVLM's images. The very last of the vocabulary is `<image>`.
pub const MARKS: [&str; 4] = ["<global-img>", "<fake_token_around_image>", "<end_of_utterance>", "<image>"];
/// Bytes and special tokens, which every vocabulary holds.
const LEAST: usize = 256 + SPECIAL.len() + MARKS.len();

/// Learns a vocabulary of `size` tokens. Every byte is a token, so that any text can be written; what the texts do
/// not fill stays unused between the words and the marks.
///
/// # Errors
/// If `size` has no room for bytes and special tokens.
pub fn train<'a>(texts: impl IntoIterator<Item = &'a str>, size: usize) -> Result<Tokenizer, PolicyError> {
    if size < LEAST {
        let message = format!("a vocabulary of {size} tokens; at least {LEAST} are needed");
        return Err(PolicyError::malformed("tokenizer", message));
    }
    let mut vocabulary: Vec<String> = SPECIAL.iter().map(ToString::to_string).collect();
    let first_byte = vocabulary.len();
    vocabulary.extend(byte_letters().iter().map(char::to_string));
    // Words as texts are cut into them, and how often each comes.
    let plain = tokenizer(&vocabulary, &[], size)?;
    let mut words: BTreeMap<Vec<usize>, usize> = BTreeMap::new();
    for text in texts {
        for word in plain.words(&format!("{}\n", text.trim_end_matches('\n'))) {
            let symbols = word.bytes().map(|byte| first_byte + usize::from(byte)).collect();
            *words.entry(symbols).or_default() += 1;
        }
    }
    let mut words: Vec<(Vec<usize>, usize)> = words.into_iter().collect();
    let mut merges: Vec<String> = Vec::new();
    while vocabulary.len() + MARKS.len() < size {
        let mut pairs: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        for (symbols, count) in &words {
            for pair in symbols.windows(2) {
                *pairs.entry((pair[0], pair[1])).or_default() += count;
            }
        }
        // Of equally frequent pairs the first, so that the same texts give the same tokenizer.
        let Some((&pair, _)) = pairs.iter().max_by_key(|&(&pair, &count)| (count, std::cmp::Reverse(pair)))
        else {
            break;
        };
        merges.push(format!("{} {}", vocabulary[pair.0], vocabulary[pair.1]));
        let merged = vocabulary.len();
        vocabulary.push(format!("{}{}", vocabulary[pair.0], vocabulary[pair.1]));
        words.iter_mut().for_each(|(symbols, _)| merge(symbols, pair, merged));
    }
    tokenizer(&vocabulary, &merges, size)
}

fn merge(symbols: &mut Vec<usize>, pair: (usize, usize), merged: usize) {
    let mut place = 0;
    while place + 1 < symbols.len() {
        if (symbols[place], symbols[place + 1]) == pair {
            symbols[place] = merged;
            symbols.remove(place + 1);
        }
        place += 1;
    }
}

/// `tokenizer.json` of a vocabulary, with the marks at the end of `size` tokens.
fn tokenizer(vocabulary: &[String], merges: &[String], size: usize) -> Result<Tokenizer, PolicyError> {
    let marks = MARKS.iter().enumerate().map(|(i, mark)| (size - MARKS.len() + i, *mark));
    let special: Vec<(usize, &str)> = SPECIAL.iter().copied().enumerate().chain(marks).collect();
    Tokenizer::from_parts(vocabulary, merges, &special)
}

/// Files that transformers wants beside `tokenizer.json` and `config.json` to open a processor of SmolVLM, by name.
pub fn processor_files(tokenizer: &Tokenizer) -> Vec<(&'static str, Value)> {
    let [unknown, begin, end] = SPECIAL;
    let [global, fake, utterance, image] = MARKS;
    let decoder = SPECIAL.iter().chain(&MARKS).filter_map(|content| {
        let token = json!({"content": content, "lstrip": false, "normalized": false, "rstrip": false,
            "single_word": false, "special": true});
        tokenizer.token(content).map(|id| (id.to_string(), token))
    });
    let size = |edge: u32| json!({"longest_edge": edge});
    let images = json!({"do_convert_rgb": true, "do_normalize": true, "do_pad": true, "do_rescale": true,
        "do_resize": true, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
        "processor_class": "SmolVLMProcessor", "resample": 1, "rescale_factor": 1.0 / 255.0,
        "max_image_size": size(364), "size": size(1456)});
    let with = |mut value: Value, extra: Value| {
        if let (Value::Object(value), Value::Object(extra)) = (&mut value, extra) {
            value.extend(extra);
        }
        value
    };
    let tokens = json!({
        "added_tokens_decoder": Map::from_iter(decoder),
        "bos_token": begin, "eos_token": end, "pad_token": end, "unk_token": unknown,
        "clean_up_tokenization_spaces": false, "end_of_utterance_token": utterance,
        "fake_image_token": fake, "global_image_token": global, "image_token": image,
        "extra_special_tokens": {"end_of_utterance_token": utterance, "fake_image_token": fake,
            "global_image_token": global, "image_token": image},
        "model_max_length": 2048, "processor_class": "SmolVLMProcessor",
        "tokenizer_class": "PreTrainedTokenizerFast",
    });
    let still = json!({"do_image_splitting": true, "image_processor_type": "SmolVLMImageProcessor"});
    let video = json!({"do_sample_frames": false, "video_processor_type": "SmolVLMVideoProcessor",
        "return_metadata": false});
    vec![
        ("tokenizer_config.json", tokens),
        ("preprocessor_config.json", with(images.clone(), still)),
        ("video_preprocessor_config.json", with(images, video)),
        ("processor_config.json", json!({"image_seq_len": 169, "processor_class": "SmolVLMProcessor"})),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_texts_become_tokens_and_any_text_can_be_written() {
        let colours = ["red", "green", "blue"];
        let texts: Vec<String> = colours.iter().map(|colour| format!("pick up the {colour} cube")).collect();
        let tokenizer = train(texts.iter().map(String::as_str), 512).expect("room");
        let tokens = tokenizer.encode("pick up the green cube\n");
        assert_eq!(tokens.len(), 6, "a token for each word and the line break: {tokens:?}");
        assert_eq!(tokenizer.decode(&tokens), "pick up the green cube\n");
        let other = "schiebe die gelbe Kugel 7 cm, ünverzüglich!";
        assert_eq!(tokenizer.decode(&tokenizer.encode(other)), other);
        assert_eq!(tokenizer.vocabulary_size(), 512);
        assert_eq!((tokenizer.token("<|im_end|>"), tokenizer.token("<image>")), (Some(2), Some(511)));
        let again = train(texts.iter().map(String::as_str), 512).expect("room");
        assert_eq!(again.source(), tokenizer.source(), "the same texts, the same tokenizer");
        assert!(train(["a"], 100).expect_err("no room").to_string().contains("at least 263"));
    }
}
