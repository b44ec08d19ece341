use super::*;
use crate::testing::Closed;
use ndarray::Array3;

fn goldens() -> std::path::PathBuf {
    std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens")
}

/// Ids and masks that transformers' tokenizer gives for the same file.
#[test]
fn tokens_are_those_of_transformers() {
    #[derive(serde::Deserialize)]
    struct Golden {
        prompt: String,
        ids: Vec<i64>,
        mask: Vec<i64>,
    }
    let text = std::fs::read(goldens().join("wan_vace/components/tokens.json")).unwrap();
    let golden: Vec<Golden> = serde_json::from_slice(&text).unwrap();
    let file = goldens().join("tiny_wan_vace/tokenizer/tokenizer.json");
    let tokenizer = TextTokenizer::open(&file, golden[0].ids.len(), 0).unwrap();
    for golden in &golden {
        let tokens = tokenizer.tokens(&golden.prompt).unwrap();
        assert_eq!(tokens.ids.iter().copied().collect::<Vec<_>>(), golden.ids, "{:?}", golden.prompt);
        assert_eq!(tokens.mask.iter().copied().collect::<Vec<_>>(), golden.mask, "{:?}", golden.prompt);
    }
    assert!(golden.iter().any(|golden| golden.mask.iter().all(|&mask| mask == 1)), "one is cut");
    assert!(golden.iter().any(|golden| golden.mask.iter().sum::<i64>() == 1), "one is empty but for its end");
}

#[test]
fn a_file_that_is_no_tokenizer_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokenizer.json");
    std::fs::write(&file, "{}").unwrap();
    let error = TextTokenizer::open(&file, 8, 0).err().unwrap();
    assert!(error.message.contains("tokenizer.json"), "{error}");
}

#[test]
fn beyond_the_prompt_is_zero_or_nothing() {
    let tokens = Tokens { ids: Array2::ones((1, 4)), mask: ndarray::array![[1, 1, 0, 0]] };
    let encoder = |shape| {
        Closed::new(&["input_ids", "attention_mask"], &["out"], move |_| {
            vec![Array3::from_elem(shape, 2.0).into()]
        })
    };
    let embedding = encode(&mut encoder((1, 4, 3)), &tokens, true, &Cancel::new()).unwrap().0;
    assert!(embedding.slice(s![.., ..2, ..]).iter().all(|&value| value == 2.0));
    assert!(embedding.slice(s![.., 2.., ..]).iter().all(|&value| value == 0.0));
    let cut = encode(&mut encoder((1, 4, 3)), &tokens, false, &Cancel::new()).unwrap().0;
    assert_eq!(cut, Array3::from_elem((1, 2, 3), 2.0), "or cut off");
    assert!(encode(&mut encoder((1, 5, 3)), &tokens, true, &Cancel::new()).is_err());
    assert!(encode(&mut encoder((2, 4, 3)), &tokens, true, &Cancel::new()).is_err());
}
