"""Names of the design classes of the United States Patent and Trademark Office (USPC), for prompts and tables."""

TITLES: dict[str, str] = {
    "D1": "edible products",
    "D2": "apparel and haberdashery",
    "D3": "travel goods, personal belongings, and storage or carrying articles",
    "D4": "brushware",
    "D5": "textile or paper yard goods and sheet material",
    "D6": "furnishings",
    "D7": "equipment for preparing or serving food or drink",
    "D8": "tools and hardware",
    "D9": "packages and containers for goods",
    "D10": "measuring, testing or signaling instruments",
    "D11": "jewelry, symbolic insignia, and ornaments",
    "D12": "transportation",
    "D13": "equipment for production, distribution, or transformation of energy",
    "D14": "recording, communication, or information retrieval equipment",
    "D15": "machines",
    "D16": "photography and optical equipment",
    "D17": "musical instruments",
    "D18": "printing and office machinery",
    "D19": "office supplies, artists' and teachers' materials",
    "D20": "sales and advertising equipment",
    "D21": "games, toys and sports goods",
    "D22": "arms, pyrotechnics, hunting and fishing equipment",
    "D23": "environmental heating and cooling, fluid handling and sanitary equipment",
    "D24": "medical and laboratory equipment",
    "D25": "building units and construction elements",
    "D26": "lighting",
    "D27": "tobacco and smokers' supplies",
    "D28": "cosmetic products and toilet articles",
    "D29": "equipment for safety, protection and rescue",
    "D30": "animal husbandry",
    "D32": "washing, cleaning or drying machines",
    "D34": "material or article handling equipment",
    "D99": "miscellaneous articles",
}


def class_title(category: str) -> str:
    """Return the office's title of a class such as "D14", without "not elsewhere specified"; any other class unchanged."""
    return TITLES.get(category, category)
