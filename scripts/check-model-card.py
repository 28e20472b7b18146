# Reads the model card of an output folder with huggingface_hub, as the Hub would: python scripts/check-model-card.py
# OUTPUT_DIR. Needs huggingface_hub. Fails where the card cannot be read; shows what is in it.
import sys

from huggingface_hub import ModelCard, repocard_data

card = ModelCard.load(f"{sys.argv[1]}/README.md")
data = card.data
print(data.to_yaml())
assert data.model_name, "no model-index that huggingface_hub can read"
for result in data.eval_results or []:
    print(result.dataset_name, result.dataset_type, result.dataset_config, result.dataset_split, end=": ")
    print(result.metric_name, result.metric_value)
again = repocard_data.eval_results_to_model_index(data.model_name, data.eval_results or [])
print("model-index made again:", again)
if "--online" in sys.argv:
    card.validate()
    print("valid, says the Hub")
