//! Checks a kernel without a GPU.

use wgpu::naga;

use crate::GpuError;

/// Checks WGSL with the validator that the device's driver is fed from.
///
/// # Errors
/// [`GpuError::Invalid`] with line and marked source.
pub fn validate(wgsl: &str) -> Result<(), GpuError> {
    let module =
        naga::front::wgsl::parse_str(wgsl).map_err(|error| GpuError::Invalid(error.emit_to_string(wgsl)))?;
    let flags = naga::valid::ValidationFlags::all();
    naga::valid::Validator::new(flags, naga::valid::Capabilities::empty())
        .validate(&module)
        .map_err(|error| GpuError::Invalid(error.emit_to_string(wgsl)))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::validate;

    #[test]
    fn what_does_not_parse_or_type_is_refused_with_its_line() {
        let good = "@compute @workgroup_size(1)\nfn main() {\n    let a = 1.0f;\n}\n";
        validate(good).expect("it is valid");
        for (from, to) in [("1.0f", "1.0f +"), ("1.0f", "1.0f + 1u"), ("let a = 1.0f", "return 1.0f")] {
            let message = validate(&good.replace(from, to)).expect_err("it is not valid").to_string();
            assert!(message.contains("wgsl:3") || message.contains("wgsl:4"), "{message}");
        }
    }
}
