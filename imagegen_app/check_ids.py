"""List the ids of our system checks with what each of them finds."""

from __future__ import annotations

#: The ids of all checks with the problem that each reports; the reference is generated from this.
CHECKS = {
    "imagegen.E001": "IMAGEGEN has an unknown key, or a value of the wrong type.",
    "imagegen.E002": "The engine cannot be imported.",
    "imagegen.E003": "The storage alias is missing from STORAGES.",
    "imagegen.E004": "Private files are stored where the web server serves every file.",
    "imagegen.E005": (
        "A credential has no hosts, an unknown source or one that cannot be called, or contains "
        "the key itself."
    ),
    "imagegen.E006": "The public URL for webhooks is not https.",
    "imagegen.E007": "Failpoints are enabled in production.",
    "imagegen.E008": (
        "A content check cannot be imported or called, or is configured for an unknown stage."
    ),
    "imagegen.E009": "A signing file cannot be read, or the certificate or key is missing.",
    "imagegen.E010": "A target is not an image field, or lacks its template.",
    "imagegen.E011": "A trusted origin is not a valid origin.",
    "imagegen.E012": "Images are signed with the development certificate in production.",
    "imagegen.E013": "No state folder is configured.",
    "imagegen.E014": "A rendition's width or format is unknown.",
    "imagegen.E015": "The queue is not among the engine's queues, or its name is too long.",
    "imagegen.W016": "SQLite runs without WAL or without immediate transactions.",
    "imagegen.E018": "The URL of the documentation is not a URL.",
    "imagegen.E019": "An origin of a self-hosted provider is not a valid origin by https.",
    "imagegen.E020": "A provider's base URL is neither its adapter's own nor allowed by the site.",
    "imagegen.W021": "Another package loosened Pillow's limits for the whole process.",
    "imagegen.E022": "A provider's credential belongs to another environment.",
    "imagegen.W023": "A test key is used in production.",
    "imagegen.W028": "Superusers bypass the allowlist.",
    "imagegen.E029": "USE_TZ is off.",
    "imagegen.E030": "The engine cannot be used with its present settings.",
    "imagegen.W031": "Tasks and jobs are stored in different databases.",
    "imagegen.W032": "The engine processes jobs in the web request instead of in a worker.",
    "imagegen.W033": "Celery has no broker configured.",
    "imagegen.W034": "Redis may deliver a Celery task a second time while a worker processes it.",
    "imagegen.W035": "Celery closes the database connection after every task.",
    "imagegen.W036": "A Celery worker prefetches tasks, so that idle workers do not get them.",
    "imagegen.W037": "Celery may stop a task before the job loop is over.",
    "imagegen.E038": "The captioner cannot be loaded or called.",
    "imagegen.E039": "The captioner is billed and has no price, so it is not asked.",
    "imagegen.E043": "An adapter of the site's own cannot be imported or called.",
    "imagegen.W047": "The source of a credential was called and gave no key.",
    "imagegen.W060": "The signing certificate cannot be used, or does not follow the C2PA profile.",
    "imagegen.W061": "The signing certificate expires soon.",
    "imagegen.W062": "A private key file can be read by other accounts.",
    "imagegen.E063": "Production: no image can be signed, or no longer in a week.",
    "imagegen.W064": "Changes of accounts and groups are recorded without the person who made them.",
    "imagegen.E064": "The time-stamp authority's URL or TSA_ON_ERROR is not valid.",
    "imagegen.E070": "The function that empties the site's caches cannot be imported or called.",
    "imagegen.W071": "A thumbnailer of the site removes the AI marking from images.",
    "imagegen.E072": "A content check is billed for each call, and has no price.",
    "imagegen.W073": "The only content check of images does not judge some categories in them.",
    "imagegen.W074": "No content check looks at images.",
    "imagegen.W075": "No content check finds one of the hard categories in images.",
    "imagegen.W068": "The audit log is published nowhere, so only its own database binds it.",
    "imagegen.E069": "A place to which the audit log is published has an unknown kind or no target.",
    "imagegen.W051": "The state folder cannot be written to, or its disk is nearly full.",
    "imagegen.E080": (
        "A database router writes our rows to several databases, or apart from accounts and groups."
    ),
    "imagegen.E081": "A database router lets migrate make no tables where our rows are written.",
    "imagegen.E082": "A database router refuses relations between our rows and accounts or groups.",
    "imagegen.E083": "A database router has tasks read from another database than they are written to.",
    "imagegen.E084": "The storage has no location.",
    "imagegen.E085": "TASKS or INSTALLED_APPS lacks what the database engine needs.",
    "imagegen.E086": "The site's URL configuration lacks imagegen_app.urls.",
    "imagegen.E090": "The package that an engine, a storage or a store of keys needs is not installed.",
    "imagegen.W052": "A logger writes what providers send to the log, without redaction.",
}
