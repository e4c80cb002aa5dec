"""`fastpatent train` and tools/train_net.py: train the network of a configuration, or only evaluate it."""

from pathlib import Path

import torch

from fastpatent import distributed
from fastpatent.commands.launch import add_launch_options, launch, local_rank
from fastpatent.commands.options import config_parser, load_from
from fastpatent.commands.parts import load_test_sets, load_trained, refuse_descriptor, with_classes
from fastpatent.config.report import describe, differences_table
from fastpatent.data.loader import build_train_loader
from fastpatent.engine.checkpoint import last_checkpoint, load_checkpoint
from fastpatent.engine.compiling import compile_backbone
from fastpatent.engine.device import choose_device, extraction_precision, training_precision
from fastpatent.engine.log import RunLog
from fastpatent.engine.progress import ProgressLine
from fastpatent.engine.trainer import Trainer
from fastpatent.evaluation.retrieval import evaluate
from fastpatent.files import write_atomically
from fastpatent.models import build_model
from fastpatent.models.clip.tokenizer import Tokenizer
from fastpatent.models.weights import load_weights
from fastpatent.report.examples import example_lines
from fastpatent.report.gallery import gallery_picture
from fastpatent.report.tables import metrics_table, short_metrics


def main(argv=None):
    """Parse the command line and train; return the exit status."""
    parser = config_parser("fastpatent train", "Train the network of a configuration.")
    parser.add_argument("--resume", action="store_true", help="go on from OUTPUT_DIR's last checkpoint, if there is one")
    parser.add_argument("--eval-only", action="store_true", help="evaluate MODEL.WEIGHTS and train nothing")
    add_launch_options(parser)
    args = parser.parse_args(argv)
    cfg = load_from(args)
    refuse_descriptor(cfg)
    launch(_evaluate_only, args, cfg) if args.eval_only else launch(_train, args, cfg, args.resume)
    return 0


def _train(cfg, resume):
    """Train in this process, one of possibly many."""
    log = RunLog(cfg.OUTPUT_DIR)
    device = choose_device(cfg.MODEL.DEVICE, local_rank())
    precision = training_precision(cfg.SOLVER.AMP.ENABLED, device.device)
    torch.backends.cudnn.benchmark = cfg.CUDNN_BENCHMARK
    checkpoint = _checkpoint_to_resume(cfg, log) if resume else None
    tokenize = Tokenizer(cfg.MODEL.CLIP.NAME) if cfg.MODEL.META_ARCHITECTURE == "PatentCLIP" else None
    loader = build_train_loader(cfg, checkpoint["iteration"] if checkpoint else 0, tokenize)
    test_sets = load_test_sets(cfg, log)
    cfg = with_classes(cfg, loader.num_classes, resumed=bool(checkpoint))
    torch.manual_seed(cfg.SEED)
    model = build_model(cfg)
    _introduce(log, cfg, loader, test_sets, model, device, precision)
    if cfg.MODEL.WEIGHTS and not checkpoint:
        log.say(load_weights(model, cfg.MODEL.WEIGHTS).table())
    model.to(device.device)
    if cfg.MODEL.COMPILE:
        channels, share = len(cfg.MODEL.PIXEL_MEAN), cfg.SOLVER.IMS_PER_BATCH // distributed.world_size()
        shape = share // cfg.SOLVER.GRAD_ACCUM_STEPS, channels, *cfg.INPUT.SIZE_TRAIN
        compile_backbone(model, shape, device.device, precision, log.say)
    torch.manual_seed(cfg.SEED + distributed.rank())
    writer = _tensorboard(cfg, checkpoint)
    latest = []

    def measure(model, epoch):
        evaluations = _evaluate_all(cfg, model, test_sets, device.device, log)
        latest[:] = [(f"epoch {epoch}", evaluation) for evaluation in evaluations]
        for evaluation in evaluations:
            log.say(f"epoch {epoch}  {evaluation.splits.name}  {short_metrics(evaluation.summary)}")
            if writer:
                _write_evaluation(writer, evaluation, epoch * loader.batches_per_epoch)
        return evaluations[0].summary[cfg.TEST.BEST_METRIC] if evaluations and evaluations[0].summary else None

    trainer = Trainer(cfg, model, loader, device.device, precision, measure, log, writer, checkpoint)
    trainer.run()
    if writer:
        writer.close()
        best, folder = trainer.position, Path(cfg.OUTPUT_DIR)
        if latest:
            log.say(metrics_table(latest))
        if best.best_epoch:
            log.say(f"best {cfg.TEST.BEST_METRIC} {best.best:.4f} at epoch {best.best_epoch}: {folder / 'model_best.pth'}")
        log.say(
            f"also in {folder}: model_final.pth, config.yaml, log.txt; curves and galleries: tensorboard --logdir {folder}"
        )


def _evaluate_only(cfg):
    """Measure MODEL.WEIGHTS on DATASETS.TESTS."""
    log = RunLog()
    device = choose_device(cfg.MODEL.DEVICE, local_rank()).device
    model = load_trained(cfg, device, log)
    evaluations = _evaluate_all(cfg, model, load_test_sets(cfg, log), device, log)
    log.say(metrics_table([("network", evaluation) for evaluation in evaluations]))


def _evaluate_all(cfg, model, test_sets, device, log):
    """Evaluate on every test set; empty in every process but the first."""
    precision = extraction_precision(cfg.TEST.PRECISION)
    evaluations = []
    for splits in test_sets:
        drawings = len(splits.query) + len(splits.gallery)
        with ProgressLine(f"evaluating {splits.name}", drawings, log) as line:
            evaluation = evaluate(cfg, model, splits, device, precision, line.update)
        if evaluation:
            evaluations.append(evaluation)
    return evaluations


def _checkpoint_to_resume(cfg, log):
    path = last_checkpoint(cfg.OUTPUT_DIR)
    if path is None:
        log.say(f"--resume: no checkpoint in {cfg.OUTPUT_DIR} yet, training starts from the beginning")
        return None
    log.say(f"resuming from {path}")
    return load_checkpoint(path)


def _introduce(log, cfg, loader, test_sets, model, device, precision):
    """Say what will be trained, on what, how and why, and keep the configuration beside the run."""
    if distributed.rank() == 0:
        path = Path(cfg.OUTPUT_DIR) / "config.yaml"
        write_atomically(path, lambda temporary: temporary.write_text(describe(cfg).yaml, encoding="utf-8"))
    log.say(differences_table(cfg))
    log.say(
        f"training set  {', '.join(cfg.DATASETS.NAMES)}: {len(loader.samples)} drawings of {loader.num_classes} identities, "
        f"{loader.batches_per_epoch} batches an epoch"
    )
    if loader.tokenize:
        cut = loader.tokenize.count_truncated([sample.caption for sample in loader.samples])
        log.say(f"captions      {cut} of {len(loader.samples)} are longer than the network reads, and cut")
    for kind, cases in loader.left_out.items():
        log.say(*example_lines(kind, cases, cfg.DATASETS.ROOT))
    for splits in test_sets:
        log.say(f"test set      {splits.name}: {len(splits.query)} queries, {len(splits.gallery)} database drawings")
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    log.say(f"network       {cfg.MODEL.META_ARCHITECTURE}, {trainable / 1e6:.1f} M parameters")
    log.say(f"device        {device.device} ({device.reason}), {distributed.world_size()} process(es)")
    log.say(f"readers       {loader.workers} process(es) ({loader.workers_reason})")
    log.say(f"drawings      {loader.source_reason}")
    log.say(f"augmentation  {loader.augmentation_reason}")
    log.say(f"precision     {str(precision.dtype).removeprefix('torch.')} ({precision.reason})")


def _tensorboard(cfg, checkpoint):
    """Open the event file of the first process; a resumed run hides what came after its checkpoint."""
    if distributed.rank() > 0:
        return None
    from torch.utils.tensorboard import SummaryWriter  # takes a second to import, and only training needs it

    return SummaryWriter(cfg.OUTPUT_DIR, purge_step=checkpoint["iteration"] if checkpoint else None)


def _write_evaluation(writer, evaluation, iteration):
    for name, value in evaluation.summary.items():
        writer.add_scalar(f"{evaluation.splits.name}/{name}", value, iteration)
    writer.add_image(f"{evaluation.splits.name}/gallery", gallery_picture(evaluation), iteration, dataformats="HWC")
