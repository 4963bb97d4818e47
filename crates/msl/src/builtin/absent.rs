//! Names of Metal's library that are known and not supported yet: using one is an error that says
//! what it belongs to. They are declared like the library's own names, so that declarations with
//! them parse.

/// Names in a namespace.
pub(crate) struct Absent {
    /// The namespaces inside the global one.
    pub(crate) path: &'static [&'static str],
    /// Class templates.
    pub(crate) templates: &'static [&'static str],
    /// Classes.
    pub(crate) types: &'static [&'static str],
    /// What they are.
    pub(crate) what: &'static str,
}

const fn absent(
    path: &'static [&'static str],
    templates: &'static [&'static str],
    types: &'static [&'static str],
    what: &'static str,
) -> Absent {
    Absent { path, templates, types, what }
}

const METAL: &[&str] = &["metal"];

/// All of them.
pub(crate) const ABSENT: &[Absent] = &[
    absent(
        METAL,
        &[
            "texture1d",
            "texture1d_array",
            "texture2d",
            "texture2d_array",
            "texture2d_ms",
            "texture2d_ms_array",
            "texture3d",
            "texturecube",
            "texturecube_array",
            "texture_buffer",
            "depth2d",
            "depth2d_array",
            "depth2d_ms",
            "depth2d_ms_array",
            "depthcube",
            "depthcube_array",
        ],
        &["sampler"],
        "textures and samplers",
    ),
    absent(METAL, &["imageblock", "imageblock_slice"], &[], "image blocks"),
    absent(
        METAL,
        &["visible_function_table", "intersection_function_table"],
        &[],
        "tables of functions",
    ),
    absent(
        METAL,
        &[],
        &["command_buffer", "compute_command", "render_command"],
        "indirect commands",
    ),
    absent(METAL, &["interpolant"], &["mesh_grid_properties"], "graphics types"),
    absent(METAL, &[], &["simdgroup_event"], "asynchronous copies"),
    absent(
        METAL,
        &["tensor", "cooperative_tensor", "extents", "dextents", "execution_simdgroups"],
        &["tensor_handle", "tensor_inline", "tensor_offset", "execution_simdgroup"],
        "Metal 4 tensors",
    ),
    absent(
        &["mpp", "tensor_ops"],
        &["matmul2d", "convolution2d"],
        &["matmul2d_descriptor", "convolution2d_descriptor"],
        "Metal 4 tensor operations",
    ),
    absent(
        &["metal", "raytracing"],
        &["acceleration_structure", "intersector", "intersection_query"],
        &["ray", "primitive_acceleration_structure", "instance_acceleration_structure"],
        "ray tracing",
    ),
];

/// What a name belongs to, if it is one of them.
pub(crate) fn find(name: &str) -> Option<&'static str> {
    let named = |absent: &&Absent| absent.templates.contains(&name) || absent.types.contains(&name);
    ABSENT.iter().find(named).map(|absent| absent.what)
}
