use std::path::Path;

use crate::house::compile_right;

/// The rules that are always behind the others.
#[test]
fn without_a_rule_there_is_what_is_built_in() {
    let rules = compile_right("", Path::new("."));
    assert_eq!(rules.names().collect::<Vec<_>>(), ["default:dmarc"]);
}
