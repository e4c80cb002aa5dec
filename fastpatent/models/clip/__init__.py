"""Parts of PatentCLIP: towers and tokenizers of open_clip, grey input, published weights, gradient caching, layer order."""
