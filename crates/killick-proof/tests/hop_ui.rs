//! Programs that skip a step of the line must not compile.

#[test]
fn skipping_a_step_does_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
