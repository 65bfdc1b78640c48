"""The samples of the adapters that come with this package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from imagegen_app.core.errors import ProviderUnavailable
from imagegen_app.core.types import Operation, Size
from imagegen_app.providers.families.named_models import CODEFORMER
from imagegen_app.testing.contract import our_requests
from imagegen_app.testing.contract.bench import RESULTS_HOST
from imagegen_app.testing.contract.samples import Samples, sample_requests
from imagegen_app.testing.simulator.protocols import http_jobs

#: One endpoint does one thing.
_FAL_MODELS = {
    Operation.INPAINT: "fal-ai/flux-general/inpainting",
    Operation.EDIT: "fal-ai/nano-banana-2/edit",
    Operation.UPSCALE: "fal-ai/esrgan",
    Operation.REMOVE_BACKGROUND: "fal-ai/birefnet",
    Operation.RESTORE_FACES: "fal-ai/codeformer",
}
_EDITS = (Operation.GENERATE, Operation.EDIT, Operation.INPAINT)
_IDEOGRAM = (*_EDITS, Operation.REMOVE_BACKGROUND, Operation.UPSCALE)


GROK = sample_requests(
    [Operation.GENERATE, Operation.EDIT],
    model="grok-imagine-image-2.0",
    size=Size(1024, 1024),
    output_format="jpeg",
)

SAMPLES: Mapping[str, Samples] = {
    samples.name: samples
    for samples in (
        Samples(
            adapter="sandbox",
            model="sandbox-1",
            requests=sample_requests(Operation, model="sandbox-1", size=Size(128, 128)),
        ),
        Samples(
            adapter="openai",
            model="gpt-image-2.6-flare",
            requests=our_requests.calls_of_openai("gpt-image-2.6-flare"),
            protocol="openai",
            has_addresses=True,
            preview_options={"partial_images": 2},
        ),
        *(
            Samples(
                adapter="azure_openai",
                model="studio-images",
                requests=our_requests.calls_of_openai("studio-images"),
                variant=variant,
                protocol="azure_openai",
                has_addresses=True,
                options=options,
                preview_options={"partial_images": 2},
            )
            for variant, options in (
                ("", {}),
                ("deployments", {"surface": "deployments", "auth": "entra"}),
            )
        ),
        Samples(
            adapter="openai_compatible",
            model="gpt-image-2",
            requests=our_requests.calls_of_openai("gpt-image-2"),
            protocol="litellm",
        ),
        *(
            Samples(
                adapter="openai_compatible",
                model=model,
                requests=sample_requests(operations, model=model, size=Size(512, 512)),
                variant=profile,
                protocol=profile,
                has_blocks=False,
                options={"profile": profile},
            )
            for profile, model, operations in (
                ("localai", "flux.1-dev", _EDITS[:2]),
                ("sglang", "Qwen-Image", _EDITS[:2]),
                ("stable_diffusion_cpp", "sd", _EDITS),
                ("vllm_omni", "FLUX.2-klein-4B", _EDITS),
            )
        ),
        *(
            Samples(
                adapter="stable_diffusion_cpp",
                model="sd_xl_base_1.0",
                requests=sample_requests(_EDITS, model="sd_xl_base_1.0", size=Size(512, 512)),
                variant=variant,
                protocol="stable_diffusion_cpp_jobs",
                has_jobs=True,
                has_blocks=False,
                options=options,
                # The server tells that it failed, so that nothing is unknown.
                errors={"500": ProviderUnavailable},
            )
            for variant, options in (("", {}), ("references", {"images": "reference"}))
        ),
        Samples(
            adapter="automatic1111",
            model="sd_xl_base_1.0",
            requests=our_requests.calls_of_automatic1111(),
            protocol="automatic1111",
            has_blocks=False,
            options={
                "user": "studio",
                "control_models": {"depth": {"model": "control_depth [a1b2]", "module": "none"}},
            },
            # The server tells that it failed, so that nothing is unknown.
            errors={"500": ProviderUnavailable},
        ),
        Samples(
            adapter="generic_jobs",
            model="generic-1",
            requests=sample_requests(Operation, model="generic-1", size=Size(128, 128)),
            protocol="generic_jobs",
            has_jobs=True,
            can_cancel=True,
            has_addresses=True,
        ),
        Samples(
            adapter="http_jobs",
            model="in-house-1",
            requests=sample_requests(_EDITS, model="in-house-1", size=Size(128, 128)),
            protocol="http_jobs",
            has_jobs=True,
            can_cancel=True,
            has_addresses=True,
            options=http_jobs.OPTIONS,
        ),
        *(
            Samples(
                adapter=adapter,
                model="gemini-nano-banana-2.1",
                requests=sample_requests(
                    [Operation.GENERATE, Operation.EDIT],
                    model="gemini-nano-banana-2.1",
                    size=Size(1024, 1024),
                    output_format="jpeg",
                ),
                protocol="gemini",
                options=options,
            )
            for adapter, options in (("gemini", {}), ("gemini_vertex", {"project": "site"}))
        ),
        Samples(
            adapter="xai",
            model="grok-imagine-image-2.0",
            requests=GROK,
            protocol="xai",
            has_addresses=True,
            refused={
                "images in a generation": replace(
                    GROK[Operation.EDIT], operation=Operation.GENERATE
                ),
            },
        ),
        *(
            Samples(
                adapter="bfl",
                model=model,
                requests=requests,
                variant=variant,
                protocol="bfl",
                has_jobs=True,
                has_addresses=True,
                has_base64=False,
                options={"result_hosts": [RESULTS_HOST, "127.0.0.1"]},
                usual_wait=5.0,
            )
            for model, variant, requests in (
                (
                    "flux-2-pro",
                    "",
                    sample_requests(
                        [Operation.GENERATE, Operation.EDIT],
                        model="flux-2-pro",
                        size=Size(256, 256),
                    ),
                ),
                ("flux-pro-1.0-fill", "masks", our_requests.edits_of_bfl()),
            )
        ),
        Samples(
            adapter="fal",
            model=_FAL_MODELS[Operation.INPAINT],
            requests={
                operation: replace(request, model=_FAL_MODELS[operation])
                for operation, request in sample_requests(
                    _FAL_MODELS, model="", size=Size(512, 512)
                ).items()
            },
            protocol="fal",
            has_jobs=True,
            can_cancel=True,
            has_addresses=True,
            options={"webhook_keys": "/.well-known/jwks.json", "platform": "/fal/v1"},
        ),
        Samples(
            adapter="fal",
            model="fal-ai/flux/dev",
            requests=sample_requests(
                [Operation.GENERATE], model="fal-ai/flux/dev", size=Size(512, 512)
            ),
            variant="generating",
            protocol="fal",
            has_jobs=True,
            can_cancel=True,
            has_addresses=True,
            options={"webhook_keys": "/.well-known/jwks.json", "platform": "/fal/v1"},
        ),
        Samples(
            adapter="ideogram",
            model="ideogram-v3",
            requests=sample_requests(
                _IDEOGRAM,
                model="ideogram-v3",
                size=Size(1024, 1024),
            ),
            variant="v3",
            protocol="ideogram",
            has_addresses=True,
            has_base64=False,
        ),
        Samples(
            adapter="ideogram",
            model="ideogram-4-5",
            requests=sample_requests(
                _IDEOGRAM,
                model="ideogram-4-5",
                size=Size(1024, 1024),
            ),
            protocol="ideogram",
            has_jobs=True,
            has_addresses=True,
            has_base64=False,
        ),
        Samples(
            adapter="recraft",
            model="recraftv4_1",
            requests=sample_requests(
                [
                    Operation.GENERATE,
                    Operation.EDIT,
                    Operation.ERASE,
                    Operation.REMOVE_BACKGROUND,
                    Operation.UPSCALE,
                ],
                model="recraftv4_1",
                size=Size(1024, 1024),
            ),
            variant="v4",
            protocol="recraft",
            has_addresses=True,
        ),
        Samples(
            adapter="recraft",
            model="recraftv3",
            requests=sample_requests(
                [
                    Operation.GENERATE,
                    Operation.EDIT,
                    Operation.INPAINT,
                    Operation.ERASE,
                    Operation.REMOVE_BACKGROUND,
                    Operation.UPSCALE,
                ],
                model="recraftv3",
                size=Size(1024, 1024),
            ),
            protocol="recraft",
            has_addresses=True,
        ),
        Samples(
            adapter="replicate",
            model="ideogram-ai/ideogram-v3-turbo",
            requests=sample_requests(
                [Operation.GENERATE, Operation.EDIT, Operation.INPAINT],
                model="ideogram-ai/ideogram-v3-turbo",
                size=Size(1024, 1024),
            ),
            protocol="replicate",
            has_jobs=True,
            can_cancel=True,
            has_addresses=True,
            options={"result_hosts": [RESULTS_HOST, "127.0.0.1"]},
        ),
        Samples(
            adapter="replicate",
            model=CODEFORMER,
            requests=sample_requests(
                [Operation.RESTORE_FACES], model=CODEFORMER, size=Size(512, 512)
            ),
            variant="faces",
            protocol="replicate",
            has_jobs=True,
            can_cancel=True,
            has_addresses=True,
            options={"result_hosts": [RESULTS_HOST, "127.0.0.1"]},
        ),
        Samples(
            adapter="stability",
            model="edit",
            requests=our_requests.edits_of_stability(),
            protocol="stability",
            usual_wait=60.0,
        ),
        Samples(
            adapter="stability",
            model="core",
            requests=sample_requests([Operation.GENERATE], model="core", size=Size(1344, 768)),
            variant="generating",
            protocol="stability",
            usual_wait=60.0,
        ),
        Samples(
            adapter="stability",
            model="creative",
            requests=sample_requests([Operation.UPSCALE], model="creative", size=Size(128, 128)),
            variant="jobs",
            protocol="stability",
            has_jobs=True,
            usual_wait=60.0,
        ),
        Samples(
            adapter="bedrock",
            model="us.stability.stable-image-inpaint-v1:0",
            requests=our_requests.calls_of_bedrock(),
            protocol="bedrock",
            options={"region": "us-west-2"},
            credential="AKIACONTRACT00000001:{key}",
        ),
        Samples(
            adapter="bedrock",
            model="stability.stable-image-ultra-v1:1",
            requests=sample_requests(
                [Operation.GENERATE, Operation.EDIT],
                model="stability.stable-image-ultra-v1:1",
                size=Size(1024, 1024),
            ),
            variant="api-key",
            protocol="bedrock",
        ),
        Samples(
            adapter="bedrock",
            model="us.stability.stable-style-transfer-v1:0",
            requests=our_requests.style_transfer_of_bedrock(),
            variant="session-token",
            protocol="bedrock",
            options={"region": "us-west-2"},
            credential=(
                '{"AccessKeyId": "ASIACONTRACT00000001", "SecretAccessKey": "{key}", '
                '"SessionToken": "{key}"}'
            ),
        ),
        Samples(
            adapter="comfyui",
            model="text-to-image",
            requests=sample_requests(
                [Operation.GENERATE], model="text-to-image", size=Size(512, 512)
            ),
            protocol="comfyui",
            has_jobs=True,
            can_cancel=True,
            has_base64=False,
        ),
        Samples(
            adapter="comfyui",
            model="inpaint",
            requests=sample_requests([Operation.INPAINT], model="inpaint", size=Size(512, 512)),
            variant="inpainting",
            protocol="comfyui",
            has_jobs=True,
            can_cancel=True,
            has_base64=False,
        ),
    )
}
