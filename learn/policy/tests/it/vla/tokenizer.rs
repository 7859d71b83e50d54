//! The tokenizer against Hugging Face's.

use keiko_policy::vla::Tokenizer;
use serde::Deserialize;

#[derive(Deserialize)]
struct Pair {
    text: String,
    tokens: Vec<u32>,
}

#[test]
fn texts_become_the_tokens_of_hugging_faces_library() {
    let folder = super::fixture();
    let tokenizer = Tokenizer::load(&folder.join("vlm/tokenizer.json")).expect("reads");
    let text = std::fs::read_to_string(folder.join("texts.json")).expect("the fixture is complete");
    let pairs: Vec<Pair> = serde_json::from_str(&text).expect("JSON");
    assert!(pairs.len() >= 10);
    for Pair { text, tokens } in pairs {
        assert_eq!(tokenizer.encode(&text), tokens, "{text:?}");
        assert_eq!(tokenizer.decode(&tokens), text);
    }
    assert_eq!(
        tokenizer.encode("a<image>b"),
        [tokenizer.encode("a"), vec![312], tokenizer.encode("b")].concat()
    );
    assert_eq!(tokenizer.token("<fake_token_around_image>"), Some(311));
    assert_eq!(tokenizer.vocabulary_size(), 314);
}

#[test]
fn another_kind_of_tokenizer_is_refused() {
    let path = super::fixture().join("vlm/tokenizer.json");
    let text = std::fs::read_to_string(path).expect("the fixture is complete");
    let refused = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        let text = text.replacen(from, to, 1).into_bytes();
        Tokenizer::from_json("tokenizer.json", text).expect_err("refused").to_string()
    };
    assert!(refused("\"BPE\"", "\"Unigram\"").contains("BPE"));
    assert!(refused("\"individual_digits\": true", "\"individual_digits\": false").contains("pre-tokenizer"));
    assert!(refused("\"normalizer\": null", "\"normalizer\": {\"type\": \"NFC\"}").contains("normalizer"));
    let cut = text.as_bytes()[..text.len() / 2].to_vec();
    assert!(
        Tokenizer::from_json("tokenizer.json", cut).expect_err("cut").to_string().contains("tokenizer.json")
    );
}
