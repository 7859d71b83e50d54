//! Text to tokens: byte-level pair encoding (Sennrich et al. 2016; the variant of GPT-2) as SmolLM2 uses it,
//! read from a local `tokenizer.json`.

use crate::PolicyError;
use regex::Regex;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::path::Path;

/// What stands between texts and is not one of their words.
pub const PAD: u32 = 2;
/// GPT-2's words, without its look-ahead, which [`words`] makes up for.
const WORDS: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+";

/// A byte-level tokenizer.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    /// Token to number.
    vocabulary: HashMap<String, u32>,
    /// Two neighbours to the rank of their merge and what they become.
    merges: HashMap<(u32, u32), (u32, u32)>,
    /// Tokens that are found in a text before anything else, longest first.
    added: Vec<(String, u32)>,
    /// Byte to the token that stands for it alone; a byte of no training text has none and is left out.
    bytes: Vec<Option<u32>>,
    words: Regex,
    source: Vec<u8>,
}

#[derive(Deserialize)]
struct TokenizerFile {
    #[serde(default)]
    added_tokens: Vec<AddedToken>,
    #[serde(default)]
    normalizer: Value,
    pre_tokenizer: Value,
    model: Model,
}

#[derive(Deserialize)]
struct AddedToken {
    id: u32,
    content: String,
}

#[derive(Deserialize)]
struct Model {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    byte_fallback: bool,
    #[serde(default)]
    ignore_merges: bool,
    vocab: HashMap<String, u32>,
    merges: Vec<Merge>,
}

/// Files hold merges as `"a b"` or as `["a", "b"]`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Merge {
    Text(String),
    Pair(String, String),
}

impl Tokenizer {
    /// Reads `tokenizer.json`.
    pub fn load(path: &Path) -> Result<Self, PolicyError> {
        let bytes =
            std::fs::read(path).map_err(|source| PolicyError::Io { source, path: path.to_path_buf() })?;
        Self::from_json(&path.display().to_string(), bytes)
    }

    /// From the text of a `tokenizer.json`; `part` names it in errors.
    pub fn from_json(part: &str, source: Vec<u8>) -> Result<Self, PolicyError> {
        let refuse = |message: String| PolicyError::malformed(part, message);
        let file: TokenizerFile =
            serde_json::from_slice(&source).map_err(|error| PolicyError::malformed(part, error))?;
        let model = file.model;
        if model.kind.as_deref().is_some_and(|kind| kind != "BPE")
            || model.byte_fallback
            || model.ignore_merges
        {
            return Err(refuse("not a plain byte-level BPE model".into()));
        }
        if !file.normalizer.is_null() {
            return Err(refuse("its normalizer is not supported".into()));
        }
        if !is_digits_then_bytes(&file.pre_tokenizer) {
            return Err(refuse(format!(
                "its pre-tokenizer is not supported: {}; supported: single digits, then bytes",
                file.pre_tokenizer
            )));
        }
        let number = |token: &str| {
            let found = model.vocab.get(token).copied();
            found.ok_or_else(|| refuse(format!("a merge names `{token}`, which is not in the vocabulary")))
        };
        let mut merges = HashMap::with_capacity(model.merges.len());
        for (rank, merge) in model.merges.iter().enumerate() {
            let (first, second) = match merge {
                Merge::Text(text) => text
                    .split_once(' ')
                    .ok_or_else(|| refuse(format!("the merge `{text}` is not two tokens")))?,
                Merge::Pair(first, second) => (first.as_str(), second.as_str()),
            };
            let merged = (rank as u32, number(&format!("{first}{second}"))?);
            merges.entry((number(first)?, number(second)?)).or_insert(merged);
        }
        let letters = byte_letters();
        let bytes: Vec<Option<u32>> =
            letters.iter().map(|letter| model.vocab.get(&letter.to_string()).copied()).collect();
        let mut added: Vec<(String, u32)> =
            file.added_tokens.into_iter().map(|token| (token.content, token.id)).collect();
        added.sort_by_key(|(content, _)| std::cmp::Reverse(content.len()));
        added.retain(|(content, _)| !content.is_empty());
        let words = Regex::new(WORDS).map_err(|error| PolicyError::malformed("words", error))?;
        Ok(Self { vocabulary: model.vocab, merges, added, bytes, words, source })
    }

    /// From tokens by number, merges in order of rank, and special tokens with their numbers, which text is searched for
    /// before it is cut into words.
    ///
    /// # Errors
    /// Merges of tokens that there are not.
    pub fn from_parts(
        tokens: &[String],
        merges: &[String],
        special: &[(usize, &str)],
    ) -> Result<Self, PolicyError> {
        let added = special.iter().map(|(id, content)| {
            json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": true})
        });
        let numbers = tokens.iter().enumerate().map(|(id, token)| (token.clone(), id.into()));
        let file = json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": added.collect::<Vec<_>>(),
            "normalizer": null,
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
                {"type": "Digits", "individual_digits": true},
                {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
            ]},
            "post_processor": null,
            "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
            "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
                "vocab": Map::from_iter(numbers), "merges": merges},
        });
        Self::from_json("tokenizer", file.to_string().into_bytes())
    }

    /// The `tokenizer.json` it was made from.
    pub fn source(&self) -> &[u8] {
        &self.source
    }

    /// One more than the largest token.
    pub fn vocabulary_size(&self) -> usize {
        let added = self.added.iter().map(|(_, number)| *number);
        self.vocabulary.values().copied().chain(added).max().map_or(0, |last| last as usize + 1)
    }

    /// Number of a token as the file writes it, special ones included.
    pub fn token(&self, content: &str) -> Option<u32> {
        let added = self.added.iter().find(|(name, _)| name == content).map(|(_, number)| *number);
        added.or_else(|| self.vocabulary.get(content).copied())
    }

    /// The words that a text without special tokens is cut into before its bytes are merged.
    pub fn words<'a>(&self, text: &'a str) -> Vec<&'a str> {
        single_digits(text).into_iter().flat_map(|piece| words(&self.words, piece)).collect()
    }

    /// The tokens of a text. Nothing is put before or after them.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let mut tokens = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            // The first special token, and of those that begin at one place the longest.
            let found = self
                .added
                .iter()
                .filter_map(|(content, number)| Some((rest.find(content)?, content, number)));
            let Some((start, content, &number)) = found.min_by_key(|(start, ..)| *start) else {
                self.encode_plain(rest, &mut tokens);
                break;
            };
            self.encode_plain(&rest[..start], &mut tokens);
            tokens.push(number);
            rest = &rest[start + content.len()..];
        }
        tokens
    }

    fn encode_plain(&self, text: &str, tokens: &mut Vec<u32>) {
        for word in self.words(text) {
            let mut symbols: Vec<u32> =
                word.bytes().filter_map(|byte| self.bytes[usize::from(byte)]).collect();
            self.merge(&mut symbols);
            tokens.append(&mut symbols);
        }
    }

    /// Merges the neighbours of lowest rank until none are left to merge.
    fn merge(&self, symbols: &mut Vec<u32>) {
        loop {
            let candidates = symbols.windows(2).enumerate();
            let ranked = candidates.filter_map(|(place, pair)| {
                self.merges.get(&(pair[0], pair[1])).map(|&(rank, merged)| (rank, place, merged))
            });
            let Some((_, place, merged)) = ranked.min() else { break };
            symbols[place] = merged;
            symbols.remove(place + 1);
        }
    }

    /// The text of tokens; numbers without a token and broken UTF-8 become `�`.
    pub fn decode(&self, tokens: &[u32]) -> String {
        let letters = byte_letters();
        let byte: HashMap<char, u8> =
            letters.iter().zip(0..=255).map(|(&letter, byte)| (letter, byte)).collect();
        let contents: HashMap<u32, &str> =
            self.vocabulary.iter().map(|(text, &number)| (number, text.as_str())).collect();
        let mut bytes = Vec::new();
        for token in tokens {
            match contents.get(token) {
                Some(text) => bytes.extend(text.chars().filter_map(|letter| byte.get(&letter))),
                None => bytes.extend("\u{fffd}".bytes()),
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Cut before and after each digit.
fn single_digits(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut start = 0;
    for (place, digit) in text.char_indices().filter(|(_, c)| c.is_numeric()) {
        pieces.push(&text[start..place]);
        start = place + digit.len_utf8();
        pieces.push(&text[place..start]);
    }
    pieces.push(&text[start..]);
    pieces
}

/// GPT-2's words: white space leaves its last character to the word after it.
fn words<'a>(pattern: &Regex, text: &'a str) -> Vec<&'a str> {
    let mut words = Vec::new();
    let mut start = 0;
    while let Some(found) = pattern.find_at(text, start) {
        let word = found.as_str();
        let mut end = found.end();
        if end < text.len() && word.chars().all(char::is_whitespace) {
            let last = word.chars().next_back().map_or(0, char::len_utf8);
            if last < word.len() {
                end -= last;
            }
        }
        words.push(&text[found.start()..end]);
        start = end;
    }
    words
}

/// GPT-2 writes each byte as a letter: itself where that can be seen, else the next free one from U+0100.
pub fn byte_letters() -> Vec<char> {
    let seen = |byte: u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let mut hidden = 0x100..;
    let letter = |byte: u8| {
        if seen(byte) { char::from(byte) } else { hidden.next().and_then(char::from_u32).unwrap_or(' ') }
    };
    (0..=255).map(letter).collect()
}

fn is_digits_then_bytes(value: &Value) -> bool {
    let parts = value["pretokenizers"].as_array().map(Vec::as_slice);
    let Some([digits, bytes]) = parts else { return false };
    digits["type"] == "Digits"
        && digits["individual_digits"] == true
        && bytes["type"] == "ByteLevel"
        && bytes["add_prefix_space"] == false
        && bytes["use_regex"] != false
}
