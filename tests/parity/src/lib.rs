//! Our pipeline against golden values made by PyTorch and diffusers.
