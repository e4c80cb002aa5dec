"""Parts of PatentCLIP: open_clip's towers and tokenizers, one grey channel, published weights, batches in chunks."""
