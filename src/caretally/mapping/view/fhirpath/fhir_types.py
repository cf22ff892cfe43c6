"""What has to be known of FHIR's types without its StructureDefinitions: names, JSON forms, and choice elements."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from caretally.mapping.view.fhirpath.temporal import parse_temporal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PRIMITIVE_TYPES: Mapping[str, frozenset[type]] = {
    **dict.fromkeys(("integer", "positiveInt", "unsignedInt"), frozenset({int})),
    **dict.fromkeys(
        (
            *("base64Binary", "canonical", "code", "date", "dateTime", "id", "instant", "markdown", "oid"),
            *("string", "time", "uri", "url", "uuid", "xhtml"),
        ),
        frozenset({str}),
    ),
    "boolean": frozenset({bool}),
    # A Decimal where the resource was read digit for digit.
    "decimal": frozenset({int, float, Decimal}),
    # A JSON text since R5, because a JSON number does not hold 64 bits everywhere.
    "integer64": frozenset({int, str}),
}
"""FHIR primitive types and the Python types that orjson gives for them."""

SYSTEM_TYPES: Mapping[str, str] = {
    "System.Boolean": "boolean",
    "System.String": "string",
    "System.Integer": "integer",
    "System.Decimal": "decimal",
    "System.Date": "date",
    "System.DateTime": "dateTime",
    "System.Time": "time",
}
"""FHIRPath's own types, each with the FHIR type of the same form."""

_DATA_TYPES = """
Address Age Annotation Attachment BackboneElement CodeableConcept CodeableReference Coding ContactDetail
ContactPoint Contributor Count DataRequirement Distance Dosage Duration Element ElementDefinition Expression
Extension HumanName Identifier MarketingStatus Meta Money Narrative ParameterDefinition Period Population
ProdCharacteristic ProductShelfLife Quantity Range Ratio RatioRange Reference RelatedArtifact SampledData
Signature Timing TriggerDefinition UsageContext
"""
DATA_TYPES = frozenset(_DATA_TYPES.split())
"""Complex data types of R4 and R4B."""

_RESOURCE_TYPES = """
Account ActivityDefinition AdministrableProductDefinition AdverseEvent AllergyIntolerance Appointment
AppointmentResponse AuditEvent Basic Binary BiologicallyDerivedProduct BodyStructure Bundle
CapabilityStatement CarePlan CareTeam CatalogEntry ChargeItem ChargeItemDefinition Citation Claim
ClaimResponse ClinicalImpression ClinicalUseDefinition CodeSystem Communication CommunicationRequest
CompartmentDefinition Composition ConceptMap Condition Consent Contract Coverage CoverageEligibilityRequest
CoverageEligibilityResponse DetectedIssue Device DeviceDefinition DeviceMetric DeviceRequest
DeviceUseStatement DiagnosticReport DocumentManifest DocumentReference EffectEvidenceSynthesis Encounter
Endpoint EnrollmentRequest EnrollmentResponse EpisodeOfCare EventDefinition Evidence EvidenceReport
EvidenceVariable ExampleScenario ExplanationOfBenefit FamilyMemberHistory Flag Goal GraphDefinition Group
GuidanceResponse HealthcareService ImagingStudy Immunization ImmunizationEvaluation
ImmunizationRecommendation ImplementationGuide Ingredient InsurancePlan Invoice Library Linkage List Location
ManufacturedItemDefinition Measure MeasureReport Media Medication MedicationAdministration
MedicationDispense MedicationKnowledge MedicationRequest MedicationStatement MedicinalProduct
MedicinalProductAuthorization MedicinalProductContraindication MedicinalProductDefinition
MedicinalProductIndication MedicinalProductIngredient MedicinalProductInteraction
MedicinalProductManufactured MedicinalProductPackaged MedicinalProductPharmaceutical
MedicinalProductUndesirableEffect MessageDefinition MessageHeader MolecularSequence NamingSystem
NutritionOrder NutritionProduct Observation ObservationDefinition OperationDefinition OperationOutcome
Organization OrganizationAffiliation PackagedProductDefinition Parameters Patient PaymentNotice
PaymentReconciliation Person PlanDefinition Practitioner PractitionerRole Procedure Provenance Questionnaire
QuestionnaireResponse RegulatedAuthorization RelatedPerson RequestGroup ResearchDefinition
ResearchElementDefinition ResearchStudy ResearchSubject RiskAssessment RiskEvidenceSynthesis Schedule
SearchParameter ServiceRequest Slot Specimen SpecimenDefinition StructureDefinition StructureMap
Subscription SubscriptionStatus SubscriptionTopic Substance SubstanceDefinition SubstanceNucleicAcid
SubstancePolymer SubstanceProtein SubstanceReferenceInformation SubstanceSourceMaterial
SubstanceSpecification SupplyDelivery SupplyRequest Task TerminologyCapabilities TestReport TestScript
ValueSet VerificationResult ViewDefinition VisionPrescription
"""
RESOURCE_TYPES = frozenset(_RESOURCE_TYPES.split())
"""Resource types of R4 and R4B."""

_ANY_RESOURCE = ("Resource", "DomainResource")

_VALUE = (
    "Address Age Annotation Attachment Base64Binary Boolean Canonical Code CodeableConcept CodeableReference Coding "
    "ContactDetail ContactPoint Contributor Count DataRequirement Date DateTime Decimal Distance Dosage Duration "
    "Expression HumanName Id Identifier Instant Integer Markdown Meta Money Oid ParameterDefinition Period "
    "PositiveInt Quantity Range Ratio RatioRange Reference RelatedArtifact SampledData Signature String Time Timing "
    "TriggerDefinition UnsignedInt Uri Url UsageContext Uuid"
)

_CHOICES = {
    "abatement": "Age DateTime Period Range String",
    "additive": "CodeableConcept Reference",
    "age": "Age CodeableConcept Range String",
    "allowed": "Boolean CodeableConcept Money String UnsignedInt",
    "amount": "Quantity Ratio String",
    "answer": "Boolean Coding Date DateTime Decimal Integer Quantity Reference String Time",
    "asNeeded": "Boolean CodeableConcept",
    "author": "Reference String",
    "born": "Date Period String",
    "bounds": "Duration Period Range",
    "characteristic": "CodeableConcept Quantity",
    "chargeItem": "CodeableConcept Reference",
    "citeAs": "Markdown Reference",
    "code": "CodeableConcept Reference",
    "collected": "DateTime Period",
    "concentration": "Ratio RatioRange",
    "content": "Attachment Reference String",
    "created": "DateTime Period",
    "date": "DateTime Period",
    "deceased": "Age Boolean Date DateTime Range String",
    "definition": "Canonical CodeableConcept DataRequirement Expression Reference Uri",
    "detail": "Boolean CodeableConcept Integer Quantity Range Ratio String",
    "diagnosis": "CodeableConcept Reference",
    "dose": "Quantity Range",
    "doseNumber": "PositiveInt String",
    "due": "Date Duration",
    "duration": "Range String",
    "effective": "DateTime Instant Period Timing",
    "entity": "CodeableConcept Reference",
    "event": "Coding Uri",
    "example": "Boolean Canonical",
    "fastingStatus": "CodeableConcept Duration",
    "identified": "DateTime Period",
    "indication": "CodeableConcept Reference",
    "item": "CodeableConcept Reference",
    "legallyBinding": "Attachment Reference",
    "location": "Address CodeableConcept Reference",
    "manufacturer": "Reference String",
    "medication": "CodeableConcept Reference",
    "minimumVolume": "Quantity String",
    "module": "Canonical CodeableConcept Uri",
    "multipleBirth": "Boolean Integer",
    "name": "Reference Url",
    "occurred": "DateTime Period",
    "occurrence": "DateTime Period String Timing",
    "offset": "Duration Range",
    "onset": "Age DateTime Period Range String",
    "performed": "Age DateTime Period Range String",
    "presentation": "Ratio RatioRange",
    "probability": "Decimal Range",
    "procedure": "CodeableConcept Reference",
    "product": "CodeableConcept Reference",
    "quantity": "Quantity Range Ratio",
    "rate": "Quantity Range Ratio",
    "reported": "Boolean Reference",
    "scheduled": "Period String Timing",
    "seriesDoses": "PositiveInt String",
    "serviced": "Date Period",
    "source": "Attachment Canonical Reference Uri",
    "start": "CodeableConcept Date",
    "statusReason": "CodeableConcept Reference",
    "strength": "Ratio RatioRange",
    "subject": "Canonical CodeableConcept Reference",
    "substance": "CodeableConcept Reference",
    "target": "Attachment Canonical Identifier Reference Uri",
    "time": "DateTime Period",
    "timing": "Age Date DateTime Duration Period Range Reference Timing",
    "topic": "CodeableConcept Reference",
    "used": "Money String UnsignedInt",
    "value": _VALUE,
    "when": "Period Range",
}

CHOICE_KEYS: Mapping[str, tuple[str, ...]] = {
    name: tuple(name + suffix for suffix in suffixes.split()) for name, suffixes in _CHOICES.items()
}
"""JSON keys of each choice element: FHIRPath says ``value``, JSON says ``valueQuantity``."""


def is_type(name: str) -> bool:
    """Whether FHIR R4 or FHIRPath has a type of this name."""
    return (
        name in PRIMITIVE_TYPES
        or name in SYSTEM_TYPES
        or name in DATA_TYPES
        or name in RESOURCE_TYPES
        or name in _ANY_RESOURCE
    )


def is_untagged(name: str) -> bool:
    """Whether JSON objects of this type do not say so themselves: they are known by their key only."""
    return name in DATA_TYPES


def choice_key(element: str, type_name: str) -> str:
    """Return the JSON key of a choice element with this type: value, Quantity → valueQuantity."""
    return element + type_name[0].upper() + type_name[1:]


def type_test(type_name: str) -> Callable[[Any], bool]:
    """Return whether a JSON value may be of the type, as far as JSON shows it."""
    name = SYSTEM_TYPES.get(type_name, type_name)
    if name in ("date", "dateTime", "instant", "time"):
        kinds = {"date": ("date",), "dateTime": ("date", "dateTime"), "instant": ("dateTime",), "time": ("time",)}[name]
        return lambda value: _has_shape(value, kinds)
    if name in PRIMITIVE_TYPES:
        accepted = PRIMITIVE_TYPES[name]
        return lambda value: type(value) in accepted
    if name in _ANY_RESOURCE:
        return lambda value: type(value) is dict and type(value.get("resourceType")) is str
    if name in DATA_TYPES:
        return lambda value: type(value) is dict and "resourceType" not in value
    return lambda value: type(value) is dict and value.get("resourceType") == name


def _has_shape(value: Any, kinds: tuple[str, ...]) -> bool:
    if type(value) is not str:
        return False
    moment = parse_temporal(value)
    return moment is not None and moment.kind in kinds
