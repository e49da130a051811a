//! Which functions an expression calls.

use std::collections::BTreeSet;

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer, TokenizerError};

/// The functions that SQL calls, in small letters: names that an opening parenthesis follows. Texts,
/// comments and columns of the same name are none.
///
/// # Errors
/// When the text is no SQL.
pub(super) fn calls(sql: &str) -> Result<BTreeSet<String>, TokenizerError> {
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize()?;
    let tokens: Vec<Token> = tokens
        .into_iter()
        .filter(|token| !matches!(token, Token::Whitespace(_)))
        .collect();
    let calls = tokens.windows(2).filter_map(|pair| match pair {
        [Token::Word(word), Token::LParen] => Some(word.value.to_ascii_lowercase()),
        _ => None,
    });
    Ok(calls.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(sql: &str) -> String {
        let calls: Vec<String> = calls(sql).unwrap().into_iter().collect();
        calls.join(" ")
    }

    #[test]
    fn names_before_parentheses_are_calls() {
        assert_eq!(
            called("COUNTRY (client_ip) || lower(site)"),
            "country lower"
        );
        assert_eq!(called("country /* of */ (client_ip)"), "country");
        assert_eq!(called("\"asn\"(client_ip)"), "asn");
        assert_eq!(called("upper(coalesce(country, asn))"), "coalesce upper");
    }

    #[test]
    fn texts_and_columns_are_none() {
        for sql in [
            "site",
            "'country(client_ip)'",
            "\"country(x)\"",
            "site -- asn(client_ip)",
            "country + (asn)",
        ] {
            assert_eq!(called(sql), "", "{sql}");
        }
        assert!(calls("'open").is_err());
    }
}
