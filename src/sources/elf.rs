//! What an ELF file calls its functions, and its build id.
