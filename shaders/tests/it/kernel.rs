//! What is refused before it runs.

use keiko_gpu::{Access, Binding, GpuError, Kernel, Source};

use crate::with_gpu;

const DOUBLE: &str = "
@group(0) @binding(0) var<storage, read_write> values: array<f32>;
@compute @workgroup_size(4)
fn main(@builtin(global_invocation_id) thread: vec3<u32>) {
    if (thread.x < arrayLength(&values)) {
        values[thread.x] = 2.0 * values[thread.x];
    }
}
";

fn source<'a>(wgsl: &'a str, bindings: &'a [Binding]) -> Source<'a> {
    Source { wgsl, entry: "main", workgroup_size: 4, bindings }
}

fn values(access: Access, len: usize) -> [Binding; 1] {
    [Binding { name: "values".to_owned(), access, len }]
}

#[test]
fn each_run_sees_what_the_one_before_wrote() {
    with_gpu("kernel::each_run_sees_what_the_one_before_wrote", |gpu| {
        let bindings = values(Access::ReadWrite, 5);
        let kernel = Kernel::new(gpu, &source(DOUBLE, &bindings)).expect("it fits");
        kernel.write("values", &[0.0, 1.0, -2.0, 0.5, 3.0]).expect("its length");
        kernel.run(5, 3);
        assert_eq!(kernel.read("values").expect("the device answers"), [0.0, 8.0, -16.0, 4.0, 24.0]);
    });
}

#[test]
fn what_does_not_fit_is_an_error() {
    with_gpu("kernel::what_does_not_fit_is_an_error", |gpu| {
        let good = values(Access::ReadWrite, 5);
        let invalid = DOUBLE.replace("2.0", "2u");
        let error = Kernel::new(gpu, &source(&invalid, &good)).expect_err("a type error");
        assert!(matches!(error, GpuError::Invalid(_)), "{error}");
        let error = Kernel::new(gpu, &source(DOUBLE, &values(Access::Read, 5))).expect_err("it writes");
        assert!(matches!(error, GpuError::Misfit(_)), "{error}");
        let error =
            Kernel::new(gpu, &source(DOUBLE, &values(Access::ReadWrite, 1 << 60))).expect_err("too much");
        assert!(matches!(error, GpuError::Misfit(_)), "{error}");

        let kernel = Kernel::new(gpu, &source(DOUBLE, &good)).expect("it fits");
        let error = kernel.write("values", &[1.0]).expect_err("too short").to_string();
        assert_eq!(error, "binding `values` has 5 elements, not 1");
        let error = kernel.read("value").expect_err("misspelt").to_string();
        assert_eq!(error, "no binding `value`; there are `values`");
    });
}
