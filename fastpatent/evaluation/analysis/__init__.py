"""Why a system ranks as it does: what a test's page shows beside the metrics, as numbers."""
