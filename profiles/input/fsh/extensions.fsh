RuleSet: OwnExtension
* ^experimental = false
* ^publisher = "Caretally contributors"

// --- what is read ---------------------------------------------------------------------------------------------------

Extension: ExpectedDuration
Id: expected-duration
Title: "Expected duration"
Description: "How long the condition is expected to last. No R4 element says it; without it the condition is looked up among the chronic conditions."
Context: Condition
* insert OwnExtension
* value[x] only Duration
* value[x] 1..1

Extension: SignificantRisk
Id: significant-risk
Title: "Significant risk"
Description: "Whether the condition places the patient at significant risk of death, acute exacerbation or functional decline."
Context: Condition
* insert OwnExtension
* value[x] only boolean
* value[x] 1..1

Extension: MedicalDecisionMaking
Id: medical-decision-making
Title: "Medical decision making"
Description: "The level of medical decision making that a person attested, with the day. Complex chronic care management needs moderate or high."
Context: CarePlan
* insert OwnExtension
* extension contains level 1..1 and assessed 1..1 and assessor 0..1
* extension[level].value[x] only code
* extension[level].value[x] 1..1
* extension[level].value[x] from DecisionMakingLevels (required)
* extension[assessed].value[x] only date
* extension[assessed].value[x] 1..1
* extension[assessor].value[x] only Reference(Practitioner or PractitionerRole)
* extension[assessor].value[x] 1..1

Extension: BillingElection
Id: billing-election
Title: "Billing election"
Description: "That the practice bills the practitioner's own time for one month although staff worked too."
Context: CarePlan
* insert OwnExtension
* extension contains serviceMonth 1..1 and family 1..1 and by 0..1
* extension[serviceMonth].value[x] only string
* extension[serviceMonth].value[x] 1..1
* extension[family].value[x] only code
* extension[family].value[x] 1..1
* extension[family].value[x] from ElectedFamilies (required)
* extension[by].value[x] only Reference(Practitioner or PractitionerRole)
* extension[by].value[x] 1..1

Extension: PcmElementAttested
Id: pcm-element
Title: "Principal care management element"
Description: "What principal care management asks of the condition, attested by a person, with the day."
Context: CarePlan
* insert OwnExtension
* extension contains element 1..1 and attested 1..1 and by 0..1
* extension[element].value[x] only code
* extension[element].value[x] 1..1
* extension[element].value[x] from PcmElements (required)
* extension[attested].value[x] only date
* extension[attested].value[x] 1..1
* extension[by].value[x] only Reference(Practitioner or PractitionerRole)
* extension[by].value[x] 1..1

Extension: ConsentModeExtension
Id: consent-mode
Title: "Way of consenting"
Description: "Whether the patient consented in writing or verbally. Without it: written when the Consent has a source, verbal when it is verified."
Context: Consent
* insert OwnExtension
* value[x] only code
* value[x] 1..1
* value[x] from ConsentModes (required)

Extension: ConsentElementExplained
Id: consent-element-explained
Title: "Explained before consent"
Description: "One of the things that were explained to the patient; repeated for each."
Context: Consent
* insert OwnExtension
* value[x] only code
* value[x] 1..1
* value[x] from ConsentElements (required)

Extension: DistinctFromVisit
Id: distinct-from-visit
Title: "Distinct from the visit"
Description: "That the time was worked apart from a visit of the same day."
Context: Encounter
* insert OwnExtension
* value[x] only boolean
* value[x] 1..1

Extension: CareManagementDiscussed
Id: care-management-discussed
Title: "Care management discussed"
Description: "Whether care management was discussed in a visit: asked of the visit that starts a programme."
Context: Encounter
* insert OwnExtension
* value[x] only boolean
* value[x] 1..1

// --- what is written ------------------------------------------------------------------------------------------------

Extension: ContentDigest
Id: content-digest
Title: "Content digest"
Description: "Digest of the content as Caretally wrote it: a number for the rule of the digest, a colon, SHA-256 in hexadecimal. A resource whose content no longer has it was edited by somebody else and is never overwritten."
Context: Claim, ChargeItem
* insert OwnExtension
* value[x] only string
* value[x] 1..1

Extension: ClaimRevision
Id: claim-revision
Title: "Claim revision"
Description: "Which of the claims that followed each other for one patient, month and billing practitioner this is, from 0."
Context: Claim, ChargeItem
* insert OwnExtension
* value[x] only unsignedInt
* value[x] 1..1

Extension: ClaimFrequencyExtension
Id: claim-frequency
Title: "Claim frequency"
Description: "Whether the claim is an original, replaces one which the payer has, or voids it; without it the claim is an original."
Context: Claim
* insert OwnExtension
* value[x] only code
* value[x] 1..1
* value[x] from ClaimFrequencies (required)

Extension: BillingProviderTin
Id: billing-provider-tin
Title: "Tax number of the billing provider"
Description: "Tax number under which the claim is billed; R4 has no place for it on a claim."
Context: Claim
* insert OwnExtension
* value[x] only Identifier
* value[x] 1..1

Extension: ClaimProgressExtension
Id: claim-progress
Title: "Progress of a claim"
Description: "How far a released claim has come."
Context: Claim
* insert OwnExtension
* value[x] only code
* value[x] 1..1
* value[x] from ClaimProgressCodes (required)

Extension: ClaimWithdrawalExtension
Id: claim-withdrawal
Title: "Withdrawal"
Description: "That Caretally took this resource back, and why. One that was cancelled without it was taken back by a person."
Context: Claim, ChargeItem
* insert OwnExtension
* value[x] only code
* value[x] 1..1
* value[x] from ClaimWithdrawals (required)

// --- what data files and price lists say ----------------------------------------------------------------------------

Extension: RowSource
Id: source
Title: "Source of a row"
Description: "Where a row of a ValueSet or ConceptMap comes from."
Context: ValueSet.compose.include, ValueSet.compose.include.concept, ConceptMap.group, ConceptMap.group.element, ChargeItemDefinition.propertyGroup
* insert OwnExtension
* value[x] only string
* value[x] 1..1

Extension: ValidPeriod
Id: valid-period
Title: "Valid period"
Description: "The dates of service for which a row of a ValueSet or ConceptMap, or an amount of a price list, holds."
Context: ValueSet.compose.include, ValueSet.compose.include.concept, ConceptMap.group, ConceptMap.group.element, ChargeItemDefinition.propertyGroup
* insert OwnExtension
* value[x] only Period
* value[x] 1..1

Extension: Match
Id: match
Title: "How codes match"
Description: "How the codes of a ConceptMap group are compared; without it a code matches itself only."
Context: ConceptMap.group
* insert OwnExtension
* value[x] only code
* value[x] 1..1
* value[x] from CodeMatches (required)

Extension: RateSettingExtension
Id: rate-setting
Title: "Setting of a rate"
Description: "The kind of place of service for which the amounts of a property group hold; without it they hold for every place."
Context: ChargeItemDefinition.propertyGroup
* insert OwnExtension
* value[x] only code
* value[x] 1..1
* value[x] from RateSettings (required)

Extension: FoundBy
Id: found-by
Title: "How a server finds the people of a view"
Description: "On a ViewDefinition of a mapping layer: the search by which a server is asked for the patients that it is about."
Context: Resource
* insert OwnExtension
* value[x] only string
* value[x] 1..1
