"""What other trainers call a key of the recipe, so that somebody who comes from one of them is told ours.

Names are those of transformers' TrainingArguments, PEFT's configurations, TRL, Axolotl, LLaMA-Factory, torchtune and
Ludwig. None of them is a key here, which a test holds to; what a name means there is not read, only what to write.
"""

from __future__ import annotations

from typing import Final

_OURS: Final[dict[str, str]] = {
    "model": "base_model model_name model_name_or_path pretrained_model pretrained_model_name_or_path checkpoint"
    " checkpoint_path",
    "run": "out out_dir outdir output output_dir output_directory output_path save_dir save_path run_dir run_folder",
    "quantize=nf4": "load_in_4bit quantization quantization_bit bits bnb_4bit_quant_type qlora use_4bit",
    "data.train": "train_file training_data train_data dataset dataset_path dataset_name datasets input_file",
    "data.validation": "validation_file validation_data eval_data eval_file eval_dataset val_data val_file val_set_size"
    " validation_split val_split val_size dev_file",
    "data.test": "test_file test_data test_split test_size test_dataset",
    "data.text": "text_column text_field dataset_text_field input_column column text_col input_features",
    "data.label": "label_column label_field target_column labels label_col output_features",
    "data.messages": "conversations conversation field_messages messages_column",
    "data.max_length": "max_len max_seq_len max_seq_length max_sequence_length sequence_len seq_len cutoff_len"
    " model_max_length block_size context_length",
    "train.epochs": "epoch num_epochs num_train_epochs n_epochs max_epochs nb_epochs",
    "train.max_steps": "steps num_steps total_steps num_training_steps train_steps",
    "train.learning_rate": "lr rate learningrate lr_max peak_lr base_lr",
    "train.head_learning_rate": "head_lr classifier_lr",
    "train.batch_tokens, which counts tokens": "batch bs batch_size train_batch_size per_device_train_batch_size"
    " micro_batch_size per_device_batch_size mbs auto_find_batch_size",
    "train.accumulate": "gradient_accumulation_steps gradient_accumulation grad_accum grad_accumulation"
    " accumulation_steps",
    "train.pack": "packing sample_packing neat_packing packed",
    "train.checkpoint_activations": "gradient_checkpointing activation_checkpointing enable_activation_checkpointing",
    "train.precision": "fp16 bf16 mixed_precision amp dtype torch_dtype half tf32",
    "train.schedule": "lr_scheduler lr_scheduler_type scheduler lr_schedule learning_rate_scheduler",
    "train.warmup": "warmup_steps warmup_ratio num_warmup_steps lr_warmup",
    "train.optimizer": "optim optimizer_name optimizer_type",
    "train.weight_decay": "wd decay l2",
    "train.label_smoothing": "label_smoothing_factor smoothing",
    "train.neftune": "neftune_noise_alpha noise_alpha",
    "train.clip": "max_grad_norm gradient_clip gradient_clipping grad_clip clip_grad_norm clip_norm",
    "train.early_stopping": "early_stop",
    "train.early_stopping.patience": "patience early_stopping_patience early_stopping_rounds",
    "train.checkpoint_every": "save_steps save_every checkpoint_interval save_interval checkpointing_steps",
    "train.keep": "save_total_limit keep_checkpoints max_checkpoints",
    "evaluate.metric": "metric metric_for_best_model metrics compute_metrics validation_metric",
    "evaluate.per_epoch, times in each epoch": "eval_steps evals_per_epoch eval_every eval_interval evaluation_strategy"
    " eval_strategy",
    "generate.max_new_tokens": "max_tokens max_gen_length generation_max_length",
    "generate.beams": "num_beams beam_size n_beams generation_num_beams",
    "method.rank": "r lora_r lora_rank lora_dim",
    "method.alpha": "lora_alpha",
    "method.dropout": "lora_dropout",
    "method.targets": "target_modules lora_target lora_target_modules lora_target_linear",
    "method.rslora": "use_rslora",
    "method.rate_ratio": "loraplus_lr_ratio lora_plus_ratio",
    "method.layer_decay": "llrd layerwise_lr_decay",
    "method.length": "num_virtual_tokens prompt_length prefix_length pre_seq_len soft_prompt_length",
    "method.reparameterise": "prefix_projection reparameterize reparametrize",
    "method=lora": "peft use_peft use_lora adapter peft_type finetuning_type lora",
    "device": "use_cpu no_cuda gpu cuda device_map accelerator",
}
"""What to write, to the names for it."""
OURS: Final[dict[str, str]] = {name: ours for ours, names in _OURS.items() for name in names.split()}
"""Another trainer's name to what is written here: a key or a key with its value, and what is to be known of it."""
_COMMON: Final = (
    "adapter batch bits checkpoint column dataset decay half labels lora metric metrics out output r rate steps"
)
"""Names that may be meant otherwise in a section of the recipe that has nothing of the kind."""


def ours(name: str) -> str | None:
    """What is written here for another trainer's `name`, in any case, with `-` or `_`; None where it is not known."""
    return OURS.get(_plain(name))


def is_common(name: str) -> bool:
    """Whether a name says what it is only where one would look for that."""
    return _plain(name) in _COMMON.split()


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")
